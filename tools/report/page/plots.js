// Drawing: four kinds of plots as SVG. Texts reach the page as text nodes and attributes, never as HTML.
const plots = (() => {
  'use strict';
  const kSvg = 'http://www.w3.org/2000/svg';
  const kSeries = 10, kLevels = 9;

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    // One by one: a call takes only so many arguments.
    for (const child of children) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }
  const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(kSvg, tag), attributes, children);

  // --- numbers

  const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
  const fixed = (value, digits) => (isNumber(value) ? value.toFixed(digits) : '–');
  const short = (value) => (isNumber(value) ? String(Number(value.toPrecision(5))) : '–');
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  // A name may have any length; what is shown has not.
  function clip(name, length) {
    const letters = Array.from(String(name));
    return letters.length > length ? `${letters.slice(0, length - 1).join('')}…` : letters.join('');
  }
  const seriesColor = (index) => `var(--c${(index % kSeries) + 1})`;

  // Round numbers from low to high, about `count` of them.
  function linearTicks(low, high, count) {
    if (!(high > low) || !Number.isFinite(high - low)) return [low];
    const rough = (high - low) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
      ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
  }

  function doublings(low, high, isNarrow) {
    const ticks = [];
    for (let power = 2 ** Math.floor(Math.log2(low)); power <= high; power *= 2) {
      ticks.push(power, ...(isNarrow || power < 2 ? [] : [power * 1.5]));
    }
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    const every = Math.ceil(inside.length / 14);
    // Points that lie near each other may have no power of two between them.
    return inside.length > 1 ? inside.filter((_, i) => i % every === 0) : linearTicks(low, high, 5);
  }

  // --- the text at the pointer

  const tips = new WeakMap();
  const box = html('div', { id: 'tip', hidden: '' });
  // `lines`: texts, [colour, text] pairs, or a function of the event that gives them.
  function withTip(element, lines) {
    tips.set(element, lines);
    return element;
  }
  function tipLine(line) {
    if (!Array.isArray(line)) return html('div', {}, clip(line, 120));
    return html('div', {}, html('span', { class: 'swatch', style: `background:${line[0]}` }), clip(line[1], 120));
  }
  function follow(event) {
    const found = tips.get(event.target);
    const lines = typeof found === 'function' ? found(event) : found;
    box.hidden = !lines;
    if (!lines) return;
    box.replaceChildren(...lines.slice(0, 24).map(tipLine));
    const { width, height } = box.getBoundingClientRect();
    const left = event.clientX + 14 + width > innerWidth ? event.clientX - 14 - width : event.clientX + 14;
    box.style.left = `${Math.max(4, left)}px`;
    box.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
  }
  document.body.append(box);
  for (const kind of ['pointermove', 'pointerdown']) document.addEventListener(kind, follow);
  document.addEventListener('scroll', () => { box.hidden = true; }, { passive: true });

  // --- parts of plots

  function text(x, y, content, options = {}) {
    const { anchor = 'middle', color = 'muted', size = 11, turn = 0, halo = false } = options;
    const around = halo ? ';paint-order:stroke;stroke:var(--card);stroke-width:3px' : '';
    return svg('text', {
      x, y, 'text-anchor': anchor,
      style: `fill:var(--${color});font:${size}px system-ui,sans-serif;unicode-bidi:isolate;pointer-events:none${around}`,
      transform: turn ? `rotate(${turn} ${x} ${y})` : null,
    }, String(content));
  }
  const line = (x1, y1, x2, y2, style) => svg('line', { x1, y1, x2, y2, style });
  const textWidth = (content, size = 11) =>
    Array.from(String(content)).reduce((sum, letter) => sum + (letter > '\u2e80' ? 1 : 0.57), 0) * size;

  // Axes for numbers: a drawing, and the functions that place a value on it.
  function axes(width, height, x, y) {
    const left = 12 + Math.max(0, most(y.ticks.map((tick) => textWidth(short(tick))))) + 18;
    const area = { left, right: width - 12, top: 12, bottom: height - 42 };
    const place = ({ low, high, isLog }, from, to) => {
      const at = isLog ? Math.log : (v) => v;
      return (value) => from + ((at(value) - at(low)) / (at(high) - at(low) || 1)) * (to - from);
    };
    const sx = place(x, area.left, area.right), sy = place(y, area.bottom, area.top);
    const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' });
    for (const tick of y.ticks) {
      root.append(line(area.left, sy(tick), area.right, sy(tick), 'stroke:var(--grid)'),
        text(area.left - 6, sy(tick) + 4, short(tick), { anchor: 'end' }));
    }
    for (const tick of x.ticks) {
      root.append(line(sx(tick), area.bottom, sx(tick), area.bottom + 4, 'stroke:var(--line)'),
        text(sx(tick), area.bottom + 17, short(tick)));
    }
    root.append(line(area.left, area.bottom, area.right, area.bottom, 'stroke:var(--line)'),
      text((area.left + area.right) / 2, height - 6, x.label),
      text(12, (area.top + area.bottom) / 2, y.label, { turn: -90 }));
    return { root, area, sx, sy };
  }

  function marker(shape, x, y, color) {
    const r = 5;
    const outlines = [
      `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`,
      `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
      `M${x},${y - r - 1}l${r + 1},${2 * r}h${-2 * r - 2}z`,
      `M${x},${y - r - 1}l${r + 1},${r + 1}l${-r - 1},${r + 1}l${-r - 1},${-r - 1}z`,
    ];
    return svg('path', { d: outlines[shape % outlines.length], style: `fill:${color};stroke:var(--card)` });
  }

  // --- accuracy against size and cost

  // The indices that no other beats in both; larger is better, of x less with isLess. NaN and null are left out.
  function paretoFront(points, isLess) {
    const sign = isLess ? -1 : 1;
    const order = points.map((_, i) => i).filter((i) => isNumber(points[i].x) && isNumber(points[i].y));
    order.sort((a, b) => sign * (points[b].x - points[a].x) || points[b].y - points[a].y);
    const front = [];
    for (const i of order) {
      if (!front.length || points[i].y > points[front[front.length - 1]].y) front.push(i);
    }
    return front.reverse();
  }

  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  // From a box to a point.
  const gap = (box, { px, py }) =>
    Math.hypot(Math.max(box.left - px, 0, px - box.right), Math.max(box.top - py, 0, py - box.bottom));

  // Where a label may stand: beside its point first, then further away with a line to it.
  function* labelPlaces({ px, py }, half) {
    const sides = [[0, -1], [0, 1], [1, 0], [-1, 0], [1, -1], [1, 1], [-1, -1], [-1, 1]];
    for (const away of [8, 16, 24, 34, 46]) {
      for (const [dx, dy] of sides) {
        const part = dx && dy ? 0.7 : 1;
        const x = px + dx * (half + away * part), y = py + dy * (5.5 + away * part);
        const box = { left: x - half, right: x + half, top: y - 5.5, bottom: y + 5.5 };
        const end = { x: Math.min(Math.max(px, box.left), box.right), y: Math.min(Math.max(py, box.top), box.bottom) };
        yield { x, y, box, end, hasLine: away > 8 };
      }
    }
  }

  const lineBoxes = ({ px, py }, end) => [0.4, 0.6, 0.8].map((part) => {
    const x = px + (end.x - px) * part, y = py + (end.y - py) * part;
    return { left: x - 1, right: x + 1, top: y - 1, bottom: y + 1 };
  });

  // Puts each label at its own point: on no other text or point, and nearer to its point than to any other. One that
  // finds no such place is left out; the pointer shows it.
  function addLabels(root, dots, area) {
    const taken = dots.map(({ px, py }) => ({ left: px - 7, right: px + 7, top: py - 7, bottom: py + 7 }));
    const isInside = (a) => a.left > area.left && a.right < area.right + 10 && a.top > 1 && a.bottom < area.bottom - 1;
    for (const dot of dots.filter(({ label }) => label)) {
      const others = dots.filter((other) => other !== dot && (!other.of || other.of !== dot.of));
      const label = clip(dot.label, 24), half = textWidth(label, 10) / 2;
      const isOwn = ({ box, x, y }) => others.every((other) => {
        const nearer = Math.min(3, 0.4 * Math.hypot(other.px - dot.px, other.py - dot.py));
        return gap(box, dot) + nearer < gap(box, other) &&
          Math.hypot(x - dot.px, y - dot.py) + nearer < Math.hypot(x - other.px, y - other.py);
      });
      const own = dots.indexOf(dot);
      const isFree = (box) => !taken.some((other, i) => i !== own && overlap(box, other));
      for (const place of labelPlaces(dot, half)) {
        const lines = place.hasLine ? lineBoxes(dot, place.end) : [];
        if (!isInside(place.box) || !isOwn(place) || ![place.box, ...lines].every(isFree)) continue;
        taken.push(place.box, ...lines);
        if (place.hasLine) root.append(line(dot.px, dot.py, place.end.x, place.end.y, 'stroke:var(--muted);stroke-width:.8'));
        root.append(text(place.x, place.y + 3.5, label, { color: 'fg', size: 10, halo: true }));
        break;
      }
    }
  }

  // points: {x, y, label ('': none), group (an index), tip; isPart: one of several seeds, drawn faint; of: the same for
  // those seeds and their mean; spread: {x, y}, to either side}. labels: {x, y, isLess: less x is better}. A log scale.
  function scatter(points, labels, width) {
    const shown = points.filter((p) => isNumber(p.x) && p.x > 0 && isNumber(p.y));
    if (!shown.length) return null;
    const wide = ({ spread, x, y }) => (spread ? [[Math.max(x - spread.x, x / 2), y - spread.y], [x + spread.x, y + spread.y]] : [[x, y]]);
    const ends = shown.flatMap(wide), xs = ends.map((p) => p[0]), ys = ends.map((p) => p[1]);
    const x = { low: least(xs) / 1.2, high: most(xs) * 1.25, isLog: true, label: labels.x };
    const room = Math.max(1, most(ys) - least(ys)) * 0.12;
    const y = { low: least(ys) - room, high: most(ys) + room, label: labels.y };
    x.ticks = doublings(x.low, x.high, width < 560);
    y.ticks = linearTicks(y.low, y.high, 6);
    const { root, area, sx, sy } = axes(width, width < 560 ? 330 : 420, x, y);
    const whole = shown.filter((p) => !p.isPart);
    const front = paretoFront(whole, labels.isLess).map((i) => `${sx(whole[i].x)},${sy(whole[i].y)}`);
    root.append(svg('polyline', { points: front.join(' '), style: 'fill:none;stroke:var(--muted);stroke-dasharray:5 4' }));
    const dots = shown.map((p) => ({ ...p, px: sx(p.x), py: sy(p.y) }));
    addLabels(root, dots, area);
    for (const dot of dots) {
      const color = seriesColor(dot.group);
      if (dot.spread) {
        const [[left, low], [right, high]] = wide(dot);
        root.append(line(sx(left), dot.py, sx(right), dot.py, `stroke:${color};stroke-width:1.4`),
          line(dot.px, sy(low), dot.px, sy(high), `stroke:${color};stroke-width:1.4`));
      }
      const drawn = withTip(marker(dot.group, dot.px, dot.py, color), dot.tip);
      if (dot.isPart) drawn.style.opacity = '.35';
      root.append(drawn);
    }
    return root;
  }

  // --- curves

  // Values that mostly stay as they are, as a learning rate's do, are drawn as steps.
  function isStepwise(values) {
    const changes = values.filter((value, i) => i > 0 && value !== values[i - 1]).length;
    return values.length > 2 && changes * 2 < values.length;
  }

  function curvePath(points, isStep, sx, sy) {
    const steps = isStep || isStepwise(points.map((p) => p[1]));
    let path = '', isDown = false;
    for (const [x, y] of points) {
      if (!isNumber(y)) { isDown = false; continue; }
      if (isDown && steps) path += `H${sx(x)}`;
      path += `${isDown ? 'L' : 'M'}${sx(x)},${sy(y)}`;
      isDown = true;
    }
    return path;
  }

  // series: {label, color, parts: [{points: [[x, y, note], ...], isStep, every, hasEnd: a dot at the last point}]}, the
  // second part and those behind it dashed.
  function curves(series, labels, width) {
    const points = series.flatMap((one) => one.parts.flatMap((part) => part.points));
    const ys = points.map((p) => p[1]).filter(isNumber);
    if (!ys.length) return null;
    const xs = points.map((p) => p[0]);
    const room = (most(ys) - least(ys) || Math.abs(ys[0]) || 1) * 0.05;
    const x = { low: least(xs), high: Math.max(least(xs) + 1, most(xs)), label: labels.x };
    const y = { low: least(ys) - room, high: most(ys) + room, label: labels.y };
    x.ticks = linearTicks(x.low, x.high, Math.min(x.high - x.low, width / 70));
    y.ticks = linearTicks(y.low, y.high, 5);
    const { root, area, sx, sy } = axes(width, width < 560 ? 250 : 300, x, y);
    for (const one of series) {
      one.parts.forEach((part, i) => {
        const drawn = part.points.length > 1 ? part.points
          : part.points.map((p) => [p, [p[0] + (x.high - x.low) / 100, p[1]]]).flat();
        root.append(svg('path', { d: curvePath(drawn, part.isStep, sx, sy),
          style: `fill:none;stroke:${one.color};stroke-width:1.6;stroke-linejoin:round${i > 0 ? ';stroke-dasharray:5 3' : ''}` }));
        if (!part.hasEnd) return;
        const end = part.points[part.points.length - 1];
        root.append(svg('circle', { cx: sx(end[0]), cy: sy(end[1]), r: 3, style: `fill:${one.color}` }));
      });
    }
    const mark = line(0, area.top, 0, area.bottom, 'stroke:var(--line);visibility:hidden');
    const cover = svg('rect', { x: area.left, y: area.top, width: area.right - area.left,
      height: area.bottom - area.top, style: 'fill:transparent' });
    root.append(mark, withTip(cover, (event) => {
      const across = cover.getBoundingClientRect();
      const at = Math.round(x.low + ((event.clientX - across.left) / across.width) * (x.high - x.low));
      const found = series.flatMap((one) => one.parts.flatMap((part) => {
        const p = part.points.find((point) => Math.abs(point[0] - at) <= part.every / 2 && isNumber(point[1]));
        return p ? [{ value: p[1], line: [one.color, `${one.label}  ${short(p[1])}${p[2] || ''}`] }] : [];
      }));
      mark.setAttribute('transform', `translate(${sx(at)} 0)`);
      mark.style.visibility = found.length ? 'visible' : 'hidden';
      found.sort((a, b) => b.value - a.value);
      return found.length ? [`${labels.x} ${at}`, ...found.map((f) => f.line)] : null;
    }));
    cover.addEventListener('pointerleave', () => { mark.style.visibility = 'hidden'; });
    return root;
  }

  // --- maps of cells

  // map: {rows: [name], low, high (of the columns' axis), ticks: [[at, text]], label, marks: [at],
  // cells: [{row, from, to, level (0 to 8), text, tip}], cellWidth (a wish, pixels)}
  function cells(map, width) {
    if (!map.cells.length) return null;
    const height = 19, size = width < 560 ? 9 : 11;
    const names = map.rows.map((row) => clip(row, width < 560 ? 22 : 40));
    const columns = map.ticks.map(([at, name]) => [at, clip(name, 24)]);
    const left = 8 + most(names.map((name) => textWidth(name, size)));
    const wish = map.cellWidth ? left + 12 + map.cellWidth * (map.high - map.low) : width;
    const right = Math.max(left + 60, Math.min(width, wish) - 10);
    const sx = (value) => left + ((value - map.low) / (map.high - map.low)) * (right - left);
    const column = (right - left) / Math.max(1, map.ticks.length);
    const isTurned = columns.some(([, name]) => textWidth(name, size) > column - 6);
    const foot = 34 + (isTurned ? most(columns.map(([, name]) => textWidth(name, size))) * 0.66 : 6);
    const bottom = map.rows.length * height + 4;
    const root = svg('svg', { viewBox: `0 0 ${right + 10} ${bottom + foot}`, width: right + 10,
      height: bottom + foot, role: 'img' });
    names.forEach((name, i) => root.append(text(left - 5, i * height + 17, name, { anchor: 'end', size })));
    for (const cell of map.cells) {
      const from = sx(cell.from) + 0.7, to = sx(cell.to) - 0.7, top = cell.row * height + 4.7;
      const level = Math.max(0, Math.min(kLevels - 1, cell.level));
      root.append(withTip(svg('rect', { x: from, y: top, width: Math.max(0.5, to - from), height: height - 1.4, rx: 2,
        style: `fill:var(--b${level})` }), cell.tip));
      if (textWidth(cell.text, 10) < to - from) {
        root.append(text((from + to) / 2, top + 13, cell.text, { color: `t${level}`, size: 10 }));
      }
    }
    for (const at of map.marks || []) {
      root.append(line(sx(at), 4, sx(at), bottom, 'stroke:var(--accent);stroke-dasharray:4 3;pointer-events:none'));
    }
    for (const [at, name] of columns) {
      root.append(isTurned ? text(sx(at) + 4, bottom + 12, name, { anchor: 'end', turn: -40, size })
        : text(sx(at), bottom + 14, name, { size }));
    }
    root.append(text((left + right) / 2, bottom + foot - 6, map.label));
    return root;
  }

  // --- histograms

  // tensors: {name, low, high, histogram}; a panel each.
  function histograms(tensors, width) {
    if (!tensors.length) return null;
    const columns = Math.max(2, Math.floor(width / 150));
    const panel = { width: width / columns, height: 92 };
    const height = Math.ceil(tensors.length / columns) * panel.height;
    const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' });
    tensors.forEach((tensor, i) => {
      const x = (i % columns) * panel.width + 8, y = Math.floor(i / columns) * panel.height;
      root.append(histogram(tensor, x, y + 16, panel.width - 16, panel.height - 36));
    });
    return root;
  }

  function histogram(tensor, x, y, width, height) {
    const tallest = most(tensor.histogram) || 1, edge = Math.max(-tensor.low, tensor.high) || 1;
    const sx = (value) => x + ((value + edge) / (2 * edge)) * width;
    const bucket = (tensor.high - tensor.low) / tensor.histogram.length;
    const name = clip(tensor.name, 36);
    const size = Math.min(10, (width + 10) / textWidth(name, 1));
    const group = svg('g', {}, text(x + width / 2, y - 5, name, { color: 'fg', size }));
    tensor.histogram.forEach((count, i) => {
      const low = tensor.low + i * bucket, tall = (count / tallest) * height;
      group.append(withTip(svg('rect', { x: sx(low), y: y + height - tall, width: sx(low + bucket) - sx(low) + 0.2,
        height: tall, style: 'fill:var(--c1)' }),
      [tensor.name, `${short(low)} to ${short(low + bucket)}`, `${count} weights`]));
    });
    group.append(line(x, y + height, x + width, y + height, 'stroke:var(--line)'));
    for (const at of [-edge / 2, 0, edge / 2]) {
      group.append(text(sx(at), y + height + 12, String(Number(at.toPrecision(1))), { size: 9 }));
    }
    return group;
  }

  // --- an SVG of its own

  function save(root, name) {
    const style = getComputedStyle(document.documentElement);
    const copy = root.cloneNode(true);
    copy.setAttribute('xmlns', kSvg);
    const source = new XMLSerializer().serializeToString(copy)
      .replace(/var\((--\w+)\)/g, (_, variable) => style.getPropertyValue(variable).trim());
    const link = html('a', { href: URL.createObjectURL(new Blob([source], { type: 'image/svg+xml' })), download: `${name}.svg` });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  return { html, fixed, isNumber, clip, most, seriesColor, paretoFront, scatter, curves, cells, histograms, save };
})();
