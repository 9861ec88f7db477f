// The page: sections, tables and figures of the runs in #runs.
(() => {
  'use strict';
  const { html, fixed, isNumber, clip, seriesColor } = plots;
  const data = JSON.parse(document.getElementById('runs').textContent);
  const models = data.models;
  const main = document.querySelector('main');
  const isQuantized = (model) => model.tensors.length > 0;
  const layerOf = (tensor) => tensor.replace(/\.weight$/, '');
  const kMostRows = 120;
  const kinds = [...new Set(models.filter((model) => model.runs.length).map((model) => model.kind))];

  // --- figures, drawn again when their width changes

  const figures = new Map();
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const figure = figures.get(target);
      if (figure && target.clientWidth > 0 && target.clientWidth !== figure.width) redraw(target);
    }
  });

  function redraw(element) {
    const figure = figures.get(element);
    const style = getComputedStyle(element);
    element.hidden = false;
    figure.width = element.clientWidth;
    const drawing = figure.draw(figure.width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    const old = element.querySelector('svg');
    if (drawing) drawing.setAttribute('aria-label', figure.caption);
    if (old) old.replaceWith(drawing || '');
    else if (drawing) element.prepend(drawing);
    element.hidden = !drawing;
  }

  // `draw` gets the width in pixels and gives an SVG, or null where there is nothing to show.
  function addFigure(parent, name, caption, draw) {
    const button = html('button', { type: 'button', class: 'save', 'aria-label': `save ${name} as SVG` }, 'SVG');
    const element = html('figure', { id: name }, button, html('figcaption', {}, caption));
    button.addEventListener('click', () => plots.save(element.querySelector('svg'), name));
    parent.append(element);
    figures.set(element, { draw, caption, width: 0 });
    redraw(element);
    if (element.hidden) element.remove();
    else observer.observe(element);
  }

  // --- tables

  function sortRows(table, head) {
    const column = head.cellIndex, isUp = head.getAttribute('aria-sort') !== 'ascending';
    table.querySelectorAll('th').forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
    const keyOf = (row) => {
      const key = row.cells[column].dataset.key ?? row.cells[column].textContent, number = parseFloat(key);
      return Number.isNaN(number) ? key : number;
    };
    const compare = (a, b) => {
      const x = keyOf(a), y = keyOf(b);
      if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
      return (x < y ? -1 : x > y ? 1 : 0) * (isUp ? 1 : -1);
    };
    for (const row of [...table.tBodies[0].rows].sort(compare)) table.tBodies[0].append(row);
  }

  // columns: {name, text(row), key(row): what to sort by, isText}
  function addTable(parent, columns, rows, classOf = () => '') {
    const heads = columns.map(({ name, isText }) =>
      html('th', { scope: 'col', tabindex: 0, class: isText ? 'text' : null }, name));
    const body = rows.map((row) => html('tr', { class: classOf(row) }, ...columns.map(({ text, key, isText }) =>
      html('td', { class: isText ? 'text' : null, 'data-key': key ? key(row) : null }, text(row)))));
    const table = html('table', {}, html('thead', {}, html('tr', {}, ...heads)), html('tbody', {}, ...body));
    for (const head of heads) {
      head.addEventListener('click', () => sortRows(table, head));
      head.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        sortRows(table, head);
      });
    }
    parent.append(html('div', { class: 'table' }, table));
  }

  // --- all models

  // Flags that a sweep varies, or all of them where there is one point only.
  function sweptFlags() {
    const names = [...new Set(models.flatMap((model) => Object.keys(model.flags)))];
    const values = (name) => new Set(models.map((model) => model.flags[name]).filter((value) => value !== undefined));
    return names.filter((name) => models.length === 1 || values(name).size > 1);
  }

  // Mean, standard deviation of a sample, and range.
  function spreadOf(values) {
    const known = values.filter(isNumber), n = known.length;
    const mean = known.reduce((sum, value) => sum + value, 0) / n;
    const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { n, mean, std: n > 1 ? Math.sqrt(squares / (n - 1)) : NaN, low: Math.min(...known), high: Math.max(...known) };
  }
  const groups = (data.seeds || []).map((group) => ({ label: group.label, models: group.models.map((i) => models[i]) }));
  const groupOf = (model) => groups.find((group) => group.models.includes(model));

  // What accuracy is held against. of: the number of a model; isLess: less is better.
  const seedsText = groups.length ? ' Bars: the standard deviation over seeds, around the mean.' : '';
  const measures = {
    comp: { name: 'comp', of: (m) => m.comp, digits: 2, axis: 'comp (times smaller than float32)',
      caption: 'comp, as published: 32 bits over the mean bits of a weight in quantized layers, without signs.' },
    comp_stored: { name: 'comp_stored', of: (m) => m.comp_stored, digits: 2, axis: 'comp_stored (times smaller than float32)',
      caption: 'comp_stored, what a file saves: signs, scales and float layers included.' },
    bit_operations: { name: 'bit operations, G', of: (m) => (isNumber(m.bit_operations) ? m.bit_operations / 1e9 : NaN), digits: 3,
      isLess: true, axis: 'bit operations of one image, G',
      caption: 'Bit operations: multiply-accumulates times weight bits times activation bits, summed over the layers. Less is better.' },
    latency: { name: 'latency, ms', of: (m) => m.latency_ms, digits: 3, isLess: true, axis: 'latency of one image, ms',
      caption: 'Latency: one image in the integer engine, on one thread of the machine that wrote this page. Less is better.' },
  };

  function meanPoint(group, measure) {
    const x = spreadOf(group.models.map(measure.of));
    const y = spreadOf(group.models.map((model) => model.top1));
    const { kind } = group.models[0];
    return { x: x.mean, y: y.mean, spread: { x: x.std, y: y.std }, label: group.label, group: kinds.indexOf(kind), of: group,
      tip: [`${group.label}, mean of ${y.n} seeds`, `${measure.name} ${fixed(x.mean, measure.digits)} ± ${fixed(x.std, measure.digits)}`,
        `top-1 ${fixed(y.mean, 2)} ± ${fixed(y.std, 2)} %`, kind] };
  }

  function addFront(key) {
    const measure = measures[key];
    const points = [...groups.map((group) => meanPoint(group, measure)), ...models.map((model) => ({
      x: measure.of(model), y: model.top1, label: groupOf(model) ? '' : model.label, group: kinds.indexOf(model.kind),
      isPart: Boolean(groupOf(model)), of: groupOf(model),
      tip: [model.name, `${measure.name} ${fixed(measure.of(model), measure.digits)}`, `top-1 ${fixed(model.top1, 2)} %`, model.picked, model.kind],
    }))];
    const labels = { x: measure.axis, y: 'top-1, %', isLess: measure.isLess };
    addFigure(main, `front-${key}`, measure.caption + seedsText, (width) => plots.scatter(points, labels, width));
  }

  function addKinds() {
    main.append(html('div', { class: 'legend' }, ...kinds.map((kind, i) =>
      html('span', {}, html('span', { class: 'swatch', style: `background:${seriesColor(i)}` }), kind))));
  }

  function addModels() {
    const single = models.filter((model) => !groupOf(model));
    const places = [...single.map((model) => ({ x: model.comp, y: model.top1, model })), ...groups.map((group) => meanPoint(group, measures.comp))];
    const front = new Set(plots.paretoFront(places).map((i) => places[i].model || places[i].of));
    const number = (name, digits, value) => ({ name, text: (m) => fixed(value(m), digits) });
    const measured = ({ name, digits, of }) => number(name, digits, of);
    const has = (value) => models.some((model) => isNumber(value(model)));
    const optional = (column, value) => (has(value) ? [column] : []);
    const columns = [
      { name: 'model', text: (m) => clip(m.name, 120) },
      { name: 'method', text: (m) => clip(m.kind, 60), isText: true },
      ...sweptFlags().map((flag) => ({ name: clip(flag, 30), text: (m) => clip(m.flags[flag] || '–', 40) })),
      measured(measures.comp),
      measured(measures.comp_stored),
      ...optional(measured(measures.bit_operations), measures.bit_operations.of),
      ...optional(measured(measures.latency), measures.latency.of),
      ...optional(number('before, %', 2, (m) => m.before), (m) => m.before),
      number('top-1, %', 2, (m) => m.top1),
      ...(models.some((m) => m.picked) ? [{ name: 'top-1 of', text: (m) => m.picked || '–', isText: true }] : []),
      number('file, KiB', 1, (m) => m.bytes / 1024 || NaN),
      number('minutes', 1, (m) => m.seconds / 60 || NaN),
      { name: 'status', text: (m) => clip(m.error ? `${m.status}: ${m.error}` : m.status, 600), isText: true },
    ];
    addTable(main, columns, models, (m) => `${front.has(m) ? 'front ' : ''}${m.status === 'failed' ? 'failed' : ''}`);
    main.append(html('p', {}, (has((m) => m.before) ? 'Before: top-1 of the run that the last run started from. ' : '') +
      (models.some((m) => /test set/.test(m.picked)) ? 'An epoch picked on the test set is the best of several looks at that set: its top-1 ' +
        'is a little too high. ' : '') +
      '● on the Pareto front of accuracy and comp. A click on a column\'s name sorts.'));
    addSeeds(front);
  }

  function addSeeds(front) {
    if (!groups.length) return;
    const spread = ({ name, digits, of }) => {
      const value = (g) => spreadOf(g.models.map(of));
      if (!groups.some((g) => value(g).n)) return [];
      return [
        { name, text: (g) => `${fixed(value(g).mean, digits)} ± ${fixed(value(g).std, digits)}`, key: (g) => value(g).mean },
        { name: 'range', text: (g) => `${fixed(value(g).low, digits)} to ${fixed(value(g).high, digits)}`, key: (g) => value(g).low },
      ];
    };
    const columns = [
      { name: 'model', text: (g) => clip(g.label, 120) },
      { name: 'method', text: (g) => clip(g.models[0].kind, 60), isText: true },
      { name: 'seeds', text: (g) => String(g.models.length) },
      ...Object.values(measures).flatMap(spread), ...spread({ name: 'top-1, %', digits: 2, of: (m) => m.top1 }),
      { name: 'top-1 of', text: (g) => g.models[0].picked || '–', isText: true },
    ];
    main.append(html('h3', {}, 'Over seeds'));
    addTable(main, columns, groups, (g) => (front.has(g) ? 'front' : ''));
    main.append(html('p', {}, 'Models that differ only in the seed: mean ± standard deviation of the sample.'));
  }

  const bitsTip = (tensor) => [tensor.name, `${tensor.bits} bits, ${tensor.weights} weights`];

  function addBits() {
    const shown = models.filter(isQuantized);
    const weights = new Map();
    for (const model of shown) {
      for (const tensor of model.tensors) weights.set(layerOf(tensor.name), tensor.weights);
    }
    const largest = [...weights.keys()].sort((a, b) => weights.get(b) - weights.get(a)).slice(0, kMostRows);
    const kept = new Set(largest), rows = [...weights.keys()].filter((name) => kept.has(name));
    const places = new Map(rows.map((name, i) => [name, i]));
    const map = {
      rows, low: -0.5, high: shown.length - 0.5, label: 'model', cellWidth: 74,
      ticks: shown.map((model, i) => [i, model.label]),
      cells: shown.flatMap((model, i) => model.tensors.filter((tensor) => places.has(layerOf(tensor.name))).map((tensor) => ({
        row: places.get(layerOf(tensor.name)), from: i - 0.5, to: i + 0.5, level: tensor.bits, text: tensor.bits,
        tip: [model.name, ...bitsTip(tensor)],
      }))),
    };
    if (shown.length) main.append(html('h2', {}, 'Bits per layer'));
    const left = weights.size - rows.length;
    const which = left > 0 ? `Bits of the ${rows.length} largest of ${weights.size} layers.` : 'Bits of every layer.';
    addFigure(main, 'bits', `${which} 0: all weights of the layer are 0.`, (width) => plots.cells(map, width));
  }

  // --- training

  const hiddenModels = new Set();

  // Sizes and the learning rate keep their values until they change; sizes change once more after the last epoch.
  function curveOf(model, column) {
    let first = 0;
    return model.runs.map((run) => {
      const at = run.columns.indexOf(column), rows = run.rows ?? run.history.length;
      const epochOf = (i) => first + (run.epochs ? run.epochs[i] : i);
      const points = at < 0 ? [] : run.history.map((row, i) => [epochOf(i), row[at]]);
      const last = (run.final || {})[column], hasEnd = points.length > 0 && isNumber(last);
      if (hasEnd) points.push([first + rows, last, ', after the final adjustment']);
      first += rows;
      return { points, hasEnd, isStep: /^(comp|learning rate)/i.test(column), every: Math.max(1, rows / (run.history.length || 1)) };
    });
  }

  function addCurves() {
    const columns = [...new Set(models.flatMap((model) => model.runs.flatMap((run) => run.columns)))];
    const drawn = models.filter((model) => model.runs.some((run) => run.history.length));
    if (!drawn.length) return;
    main.append(html('h2', {}, 'Training'), html('p', {}, 'Dashed: the run that started from the one before. A click on a name hides it.'));
    const quantized = drawn.filter(isQuantized);
    const colors = new Map(drawn.map((model) => [model, isQuantized(model) ? seriesColor(quantized.indexOf(model)) : 'var(--fg)']));
    const legend = html('div', { class: 'legend' }, ...drawn.map((model) => {
      const button = html('button', { type: 'button', 'aria-pressed': 'true' },
        html('span', { class: 'swatch', style: `background:${colors.get(model)}` }), clip(model.label, 40));
      button.addEventListener('click', () => {
        const isShown = hiddenModels.delete(model) || !hiddenModels.add(model);
        button.setAttribute('aria-pressed', String(isShown));
        [...figures.keys()].filter((element) => element.id.startsWith('curve-')).forEach(redraw);
      });
      return button;
    }));
    main.append(legend);
    for (const column of columns) {
      const id = `curve-${clip(column, 40).toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
      addFigure(main, id, `${clip(column, 80)}, by epoch.${/^comp/i.test(column) ? ' The dot: after the final adjustment.' : ''}`, (width) =>
        plots.curves(drawn.filter((model) => !hiddenModels.has(model)).map((model) => ({
          label: clip(model.label, 40), color: colors.get(model), parts: curveOf(model, column),
        })), { x: 'epoch', y: clip(column, 30) }, width));
    }
  }

  // --- one model

  // Bits over the epochs; the final adjustment comes after the last epoch, a strip beside it shows what it left.
  function timeMap(run) {
    const steps = run.adjustments;
    const epochs = Math.max(run.rows ?? run.history.length, steps[steps.length - 1].epoch);
    const end = epochs + Math.max(0.6, epochs / 12);
    const every = Math.ceil(steps.length / 16);
    const until = (i) => (i + 1 < steps.length ? steps[i + 1].epoch : steps[i].epoch >= epochs ? end : epochs);
    return {
      rows: run.adjusted.slice(0, kMostRows).map(layerOf), low: 0, high: end, label: 'epoch; dashed: precision adjustments',
      ticks: steps.filter((_, i) => i % every === 0).map((step) => [step.epoch, String(step.epoch)]), marks: steps.map((step) => step.epoch),
      cells: steps.flatMap((step, i) => step.bits.slice(0, kMostRows).map((bits, row) => ({
        row, from: step.epoch, to: until(i), level: bits, text: bits,
        tip: [run.adjusted[row], `${bits} bits from epoch ${step.epoch}`, `comp ${fixed(step.comp, 2)}`],
      })).filter((cell) => cell.level !== null)),
    };
  }

  function planesMap(tensors) {
    const most = plots.most(tensors.map((tensor) => tensor.ones.length));
    return {
      rows: tensors.map((tensor) => layerOf(tensor.name)), low: 0.5, high: most + 0.5, cellWidth: 62,
      label: 'plane, 1 the most significant; percent of weights with a digit',
      ticks: Array.from({ length: most }, (_, i) => [i + 1, String(i + 1)]),
      cells: tensors.flatMap((tensor, row) => tensor.ones.map((percent, i) => ({
        row, from: i + 0.5, to: i + 1.5, level: Math.ceil(percent / 12.5), text: percent.toFixed(0),
        tip: [tensor.name, `plane ${i + 1} of ${tensor.ones.length}`, `${fixed(percent, 2)} % of the weights have a digit`],
      }))),
    };
  }

  function addSizes(parent, model) {
    const total = model.sizes.stored_bits || 1;
    const kept = model.floats.map((tensor) => ({ ...tensor, bits: 32, stored: 32 * tensor.weights }));
    const rest = { name: 'other float (normalization, biases, ranges, scales)', shape: [], weights: model.sizes.other_floats,
      bits: 32, stored: 32 * model.sizes.other_floats };
    const columns = [
      { name: 'tensor', text: (t) => clip(t.name, 120) },
      { name: 'shape', text: (t) => t.shape.join(' × ') || '–', key: (t) => t.weights },
      { name: 'weights', text: (t) => String(t.weights) },
      { name: 'bits', text: (t) => String(t.bits) },
      { name: 'stored, bytes', text: (t) => fixed(t.stored / 8, 0) },
      { name: 'of the model, %', text: (t) => fixed((100 * t.stored) / total, 1) },
    ];
    parent.append(html('h3', {}, 'Size'));
    addTable(parent, columns, [...model.tensors, ...kept, rest]);
  }

  function fillModel(parent, model, index) {
    const name = `model${index + 1}`;
    if (model.error) parent.append(html('p', {}, `Failed: ${clip(model.error, 2000)}`));
    if (model.picked) parent.append(html('p', {}, `Top-1 of: ${model.picked}.`));
    model.runs.filter((run) => run.adjustments.length).forEach((run, i) => {
      addFigure(parent, `${name}-time${i || ''}`, 'Bits of every layer over training; the strip at the right is what the final adjustment left.',
        (width) => plots.cells(timeMap(run), width));
    });
    const digits = model.tensors.filter((tensor) => tensor.ones.length);
    if (digits.length) {
      addFigure(parent, `${name}-planes`, 'Percent of weights with a non-zero digit in each plane, most significant first.',
        (width) => plots.cells(planesMap(digits), width));
    }
    const drawn = [...model.tensors, ...model.floats].filter((tensor) => tensor.histogram.length)
      .map((tensor) => ({ ...tensor, name: layerOf(tensor.name) }));
    addFigure(parent, `${name}-weights`, 'Weights by value, a panel a layer, each of its own height.',
      (width) => plots.histograms(drawn, width));
    if (model.sizes.stored_bits > 0) addSizes(parent, model);
    if (model.commands.length) {
      parent.append(html('h3', {}, 'To run it again'), html('pre', {}, `${model.commands.join('\n')}\n`));
    }
  }

  // What is in a closed section is drawn when it is opened.
  function addModel(model, index) {
    const section = html('details', {}, html('summary', {}, html('b', {}, clip(model.name, 300)),
      html('span', {}, `comp ${fixed(model.comp, 2)}`), html('span', {}, `top-1 ${fixed(model.top1, 2)} %`),
      html('span', {}, model.status)));
    let isFilled = false;
    const open = () => {
      section.open = true;
      if (!isFilled) attempt(section, () => fillModel(section, model, index));
      isFilled = true;
    };
    section.addEventListener('toggle', () => section.open && open());
    addEventListener('beforeprint', open);
    main.append(section);
    if (index === 0) open();
  }

  // --- the whole

  function addTheme() {
    const root = document.documentElement;
    const wish = matchMedia('(prefers-color-scheme: dark)');
    let kept = null;
    try { kept = localStorage.getItem('bsq-theme'); } catch (error) { /* a page from a file may have no storage */ }
    const show = (theme) => root.setAttribute('data-theme', theme);
    show(kept === 'dark' || kept === 'light' ? kept : wish.matches ? 'dark' : 'light');
    document.getElementById('theme').addEventListener('click', () => {
      const theme = root.getAttribute('data-theme') === 'dark' ? 'light' : 'dark';
      show(theme);
      try { localStorage.setItem('bsq-theme', theme); } catch (error) { /* as above */ }
    });
    addEventListener('beforeprint', () => show('light'));
  }

  // What cannot be drawn says so and keeps nothing else off the page.
  function attempt(parent, draw) {
    try {
      draw();
    } catch (error) {
      parent.append(html('p', { class: 'failed' }, `A part of this page could not be drawn: ${clip(error.message, 300)}`));
    }
  }

  const sections = [
    addKinds,
    ...Object.keys(measures).map((key) => () => addFront(key)),
    addModels,
    addBits,
    addCurves,
    () => main.append(html('h2', {}, 'Models')),
    ...models.map((model, index) => () => addModel(model, index)),
  ];
  addTheme();
  main.append(html('p', {}, clip(data.summary, 500)), html('h2', {}, 'Accuracy against size and cost'));
  sections.forEach((section) => attempt(main, section));
  main.append(html('footer', {}, `Written ${data.written} by report.`));
})();
