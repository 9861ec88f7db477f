#include "tools/report/plots.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>

#include "tools/report/palette.h"

namespace bsq::cli {
namespace {

constexpr int kWide = 960, kNarrow = 340;

std::string quoted(const std::string& text) { return "\"" + plot_text(text) + "\""; }
std::string series_color(size_t index) { return "\"@c" + std::to_string(index % kSeriesColors + 1) + "@\""; }

std::string short_name(const std::string& tensor) {
  const std::string suffix = ".weight";
  return tensor.size() > suffix.size() && tensor.substr(tensor.size() - suffix.size()) == suffix
             ? tensor.substr(0, tensor.size() - suffix.size())
             : tensor;
}

// --- accuracy against size

struct Dots {
  std::string all, upper, lower;  ///< gnuplot's data; labels of neighbours stand above and below in turn
};

Dots dots_of(const std::vector<ReportPoint>& points, PointKind kind, bool is_stored) {
  std::vector<std::pair<double, const ReportPoint*>> found;
  for (const auto& point : points) {
    const double x = is_stored ? point.comp_stored() : point.comp();
    if (point.kind == kind && std::isfinite(x) && std::isfinite(point.top1())) {
      found.emplace_back(x, &point);
    }
  }
  std::sort(found.begin(), found.end());
  Dots dots;
  for (size_t i = 0; i < found.size(); ++i) {
    std::ostringstream line;
    line << found[i].first << " " << found[i].second->top1() << " " << quoted(found[i].second->label) << "\n";
    dots.all += line.str();
    (i % 2 == 0 ? dots.upper : dots.lower) += line.str();
  }
  return dots;
}

std::string front_block(const std::vector<ReportPoint>& points, bool is_stored) {
  std::vector<double> x, y;
  for (const auto& point : points) {
    x.push_back(is_stored ? point.comp_stored() : point.comp());
    y.push_back(point.top1());
  }
  std::ostringstream text;
  for (const size_t i : pareto_front(x, y)) {
    text << x[i] << " " << y[i] << "\n";
  }
  return text.str();
}

std::string front_body(const std::vector<ReportPoint>& points, bool is_stored) {
  std::string text = "set logscale x 2\nset offsets graph 0.06, graph 0.08, graph 0.12, graph 0.05\n";
  text += std::string("set xlabel \"") + (is_stored ? "comp_stored" : "comp") +
          " (times smaller than float32)\"\nset ylabel \"top-1, %\"\n";
  text += "set xtics (1,2,3,4,6,8,12,16,24,32,48,64)\n";
  std::string plot;
  const auto add = [&](const std::string& block, const std::string& data, const std::string& style) {
    if (!data.empty()) {
      text += block + " << EOD\n" + data + "EOD\n";
      plot += (plot.empty() ? "plot " : ", ") + block + style;
    }
  };
  add("$front", front_block(points, is_stored),
      " using 1:2 with lines lw 1.5 dt 2 lc rgb \"@muted@\" title \"Pareto front\"");
  const struct {
    PointKind kind;
    const char* block;
    const char* look;
    const char* title;
  } kinds[] = {{PointKind::kBsq, "$bsq", "pt 7 ps 0.8 lc rgb \"@c1@\"", "BSQ, by alpha"},
               {PointKind::kFixed, "$fixed", "pt 5 ps 0.8 lc rgb \"@c2@\"", "fixed width"},
               {PointKind::kFloat, "$float", "pt 9 ps 1 lc rgb \"@c3@\"", "float"}};
  for (const auto& kind : kinds) {
    const auto dots = dots_of(points, kind.kind, is_stored);
    const std::string block = kind.block;
    const std::string look = " font \",10\" tc rgb \"@fg@\" notitle";
    add(block, dots.all,
        std::string(" using 1:2 with points ") + kind.look + " title \"" + kind.title + "\"");
    add(block + "_upper", dots.upper, " using 1:2:3 with labels offset 0,0.9" + look);
    add(block + "_lower", dots.lower, " using 1:2:3 with labels offset 0,-0.9" + look);
  }
  return plot.empty() ? "" : text + plot;
}

void add_front(PlotSet& plots, const std::vector<ReportPoint>& points, bool is_stored) {
  const auto body = front_body(points, is_stored);
  const std::string measure = is_stored ? "comp_stored" : "comp";
  if (!body.empty()) {
    plots.add({"front-" + measure, "top-1 against " + measure, {kWide, 440}, {kNarrow, 340}, body, body});
  }
}

// --- heat maps: cells of one of nine colours, with a text

struct Cell {
  double left, right;
  size_t row;
  int level;
  std::string text;
};

std::string cells_body(const std::vector<Cell>& cells, const std::vector<std::string>& rows, bool has_text) {
  std::string text = "unset grid\nset border 0\nset tics scale 0\nset key off\nset yrange [" +
                     std::to_string(rows.size()) + "-0.5:-0.5]\nset ytics (";
  for (size_t i = 0; i < rows.size(); ++i) {
    text += (i == 0 ? "" : ", ") + quoted(rows[i]) + " " + std::to_string(i);
  }
  text += ")\nset style fill solid 1 noborder\n";
  std::string plot;
  for (int level = 0; level < kScaleColors; ++level) {
    std::ostringstream data;
    for (const auto& cell : cells) {
      if (cell.level == level) {
        data << (cell.left + cell.right) / 2 << " " << cell.row << " " << cell.left << " " << cell.right
             << " " << static_cast<double>(cell.row) - 0.47 << " " << static_cast<double>(cell.row) + 0.47
             << " " << quoted(cell.text) << "\n";
      }
    }
    if (data.str().empty()) {
      continue;
    }
    const auto name = "$level" + std::to_string(level);
    text += name + " << EOD\n" + data.str() + "EOD\n";
    plot += (plot.empty() ? "plot " : ", ") + name + " using 1:2:3:4:5:6 with boxxyerror lc rgb \"@b" +
            std::to_string(level) + "@\"";
    if (has_text) {
      plot +=
          ", " + name + " using 1:2:7 with labels font \",10\" tc rgb \"@t" + std::to_string(level) + "@\"";
    }
  }
  return plot.empty() ? "" : text + plot;
}

int map_height(size_t rows, int foot) { return static_cast<int>(rows) * 19 + foot; }

int bits_level(int64_t bits) { return static_cast<int>(std::min<int64_t>(bits, kScaleColors - 1)); }

std::vector<std::string> all_rows(const std::vector<ReportPoint>& points) {
  std::vector<std::string> rows;
  for (const auto& point : points) {
    for (const auto& tensor :
         point.model() == nullptr ? std::vector<TensorRecord>() : point.model()->tensors) {
      const auto name = short_name(tensor.name);
      if (point.kind != PointKind::kFloat && std::find(rows.begin(), rows.end(), name) == rows.end()) {
        rows.push_back(name);
      }
    }
  }
  return rows;
}

void add_bits_map(PlotSet& plots, const std::vector<ReportPoint>& points) {
  const auto rows = all_rows(points);
  std::vector<Cell> cells;
  std::string tics;
  int column = 0;
  for (const auto& point : points) {
    if (point.kind == PointKind::kFloat || point.model() == nullptr) {
      continue;
    }
    for (const auto& tensor : point.model()->tensors) {
      const auto row = std::find(rows.begin(), rows.end(), short_name(tensor.name)) - rows.begin();
      cells.push_back({column - 0.48, column + 0.48, static_cast<size_t>(row), bits_level(tensor.bits),
                       std::to_string(tensor.bits)});
    }
    tics += (tics.empty() ? "" : ", ") + quoted(point.label) + " " + std::to_string(column);
    ++column;
  }
  if (cells.empty()) {
    return;
  }
  const auto body = "set xlabel \"model, BSQ by alpha\"\nset xrange [-0.5:" + std::to_string(column) +
                    "-0.5]\nset xtics (" + tics + ") rotate by 40 right\n" +
                    cells_body(cells, rows, /*has_text=*/true);
  plots.add({"bits",
             "bits of every layer in every model",
             {std::min(kWide, 220 + 70 * column), map_height(rows.size(), 90)},
             {std::max(kNarrow, 130 + 24 * column), map_height(rows.size(), 90)},
             body,
             body});
}

// --- curves

std::string curve_body(const std::vector<ReportPoint>& points, const Curve& curve, int columns,
                       int* entries) {
  std::string text = std::string("set xlabel \"epoch (dashed: finetuning)\"\nset ylabel \"") + curve.label +
                     "\"\nset key maxcols " + std::to_string(columns) + "\n";
  std::string plot;
  *entries = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    size_t epoch = 0;
    bool is_first = true;
    const auto add = [&](const std::optional<RunRecord>& run, const char* dash) {
      const auto values = run ? run->column(curve.column) : std::vector<double>();
      const auto name = "$run" + std::to_string(i) + dash;
      std::ostringstream data;
      for (size_t at = 0; at < values.size(); ++at) {
        data << epoch + at << " " << values[at] << "\n";
      }
      epoch += run ? run->history.size() : 0;
      if (values.empty()) {
        return;
      }
      text += name + " << EOD\n" + data.str() + "EOD\n";
      plot += (plot.empty() ? "plot " : ", ") + name + " using 1:2 with " +
              (values.size() == 1 ? "points pt 7 ps 0.5" : "lines lw 1.6") + " lc rgb " + series_color(i) +
              (*dash == 'b' ? " dt 2" : "") + " " +
              (is_first ? "title " + quoted(points[i].label) : "notitle");
      *entries += is_first ? 1 : 0;
      is_first = false;
    };
    add(points[i].trained, "a");
    add(points[i].finetuned, "b");
  }
  return plot.empty() ? "" : text + plot;
}

void add_curve(PlotSet& plots, const std::vector<ReportPoint>& points, const Curve& curve) {
  constexpr int kWideColumns = 7, kNarrowColumns = 3, kKeyRow = 20;
  int entries = 0;
  const auto wide = curve_body(points, curve, kWideColumns, &entries);
  const auto narrow = curve_body(points, curve, kNarrowColumns, &entries);
  if (!wide.empty()) {
    plots.add({curve.name,
               curve.label,
               {kWide, 330 + kKeyRow * (entries / kWideColumns)},
               {kNarrow, 270 + kKeyRow * (entries / kNarrowColumns)},
               wide,
               narrow});
  }
}

// --- one point

void add_time_map(PlotSet& plots, const ReportPoint& point, size_t index) {
  if (!point.trained || point.trained->adjustments.empty()) {
    return;
  }
  const auto& adjustments = point.trained->adjustments;
  const auto epochs = static_cast<double>(
      std::max<int64_t>(static_cast<int64_t>(point.trained->history.size()), adjustments.back().epoch));
  // The final adjustment comes after the last epoch; a strip beside it shows what it left.
  const double end = epochs + std::max(0.6, epochs / 12);
  std::vector<std::string> rows;
  for (const auto& [name, bits] : adjustments.front().bits) {
    rows.push_back(short_name(name));
  }
  std::vector<Cell> cells;
  std::string marks, tics;
  for (size_t i = 0; i < adjustments.size(); ++i) {
    const auto from = static_cast<double>(adjustments[i].epoch);
    const double to = i + 1 < adjustments.size() ? static_cast<double>(adjustments[i + 1].epoch)
                      : from >= epochs           ? end
                                                 : epochs;
    for (size_t row = 0; row < std::min(rows.size(), adjustments[i].bits.size()); ++row) {
      const auto bits = adjustments[i].bits[row].second;
      cells.push_back({from, to, row, bits_level(bits), std::to_string(bits)});
    }
    const auto epoch = std::to_string(adjustments[i].epoch);
    marks += "set arrow from " + epoch + ",graph 0 to " + epoch +
             ",graph 1 nohead front lw 1.8 dt 2 lc rgb \"@accent@\"\n";
    tics += (tics.empty() ? "" : ", ") + ("\"" + epoch + "\" " + epoch);
  }
  const auto body =
      "set xlabel \"epoch; dashed: precision adjustments\"\nset xrange [0:" + std::to_string(end) +
      "]\nset xtics (" + tics + ")\n" + marks + cells_body(cells, rows, adjustments.size() <= 12);
  plots.add({point_plot(index, "time"),
             "bits of every layer over training, " + point.name,
             {kWide, map_height(rows.size(), 60)},
             {kNarrow, map_height(rows.size(), 60)},
             body,
             body});
}

void add_planes_map(PlotSet& plots, const ReportPoint& point, size_t index) {
  std::vector<Cell> cells;
  std::vector<std::string> rows;
  size_t most = 0;
  for (const auto& tensor : point.model()->tensors) {
    rows.push_back(short_name(tensor.name));
    for (size_t plane = 0; plane < tensor.ones.size(); ++plane) {
      const double percent = tensor.ones[plane];
      const int level =
          std::min(kScaleColors - 1, static_cast<int>(std::ceil(percent / 100 * (kScaleColors - 1))));
      std::ostringstream text;
      text.precision(0);
      text << std::fixed << percent;
      cells.push_back({static_cast<double>(plane) + 0.52, static_cast<double>(plane) + 1.48, rows.size() - 1,
                       level, text.str()});
    }
    most = std::max(most, tensor.ones.size());
  }
  if (cells.empty()) {
    return;
  }
  const auto body =
      "set xlabel \"plane, 1 the most significant; percent of weights with a digit\"\nset xtics 1\nset "
      "xrange [0.5:" +
      std::to_string(most) + "+0.5]\n" + cells_body(cells, rows, /*has_text=*/true);
  const auto narrow =
      "set xlabel \"plane; percent of weights with a digit\"\n" + body.substr(body.find('\n') + 1);
  plots.add({point_plot(index, "planes"),
             "percent of ones per plane, " + point.name,
             {std::min(kWide, 200 + 62 * static_cast<int>(most)), map_height(rows.size(), 60)},
             {kNarrow, map_height(rows.size(), 60)},
             body,
             narrow});
}

std::string histograms_body(const RunRecord& run, size_t columns, size_t rows) {
  std::ostringstream text;
  text << "unset key\nunset ytics\nunset grid\nset border 1\nset style fill solid 0.85 noborder\n"
       << "set multiplot layout " << rows << "," << columns << "\nset tmargin 1.6\nset bmargin 1.8\n"
       << "set lmargin 1.5\nset rmargin 1.5\n";
  for (size_t i = 0; i < run.tensors.size(); ++i) {
    const auto& tensor = run.tensors[i];
    if (tensor.histogram.empty()) {
      continue;
    }
    const double width = (tensor.high - tensor.low) / static_cast<double>(tensor.histogram.size());
    text << "$h" << i << " << EOD\n";
    for (size_t bucket = 0; bucket < tensor.histogram.size(); ++bucket) {
      text << tensor.low + (static_cast<double>(bucket) + 0.5) * width << " " << tensor.histogram[bucket]
           << "\n";
    }
    const double most = std::max(std::abs(tensor.low), std::abs(tensor.high));
    std::ostringstream shown;
    shown.precision(1);
    shown << most / 2;
    text << "EOD\nset title " << quoted(short_name(tensor.name))
         << " font \",10\" offset 0,-0.7\nset xtics (-" << shown.str() << ", 0, " << shown.str()
         << ") font \",9\" offset 0,0.4\nset yrange [0:*]\nset xrange [" << -most << ":" << most
         << "]\nplot $h" << i << " using 1:2:(" << width << ") with boxes lc rgb \"@c1@\"\n";
  }
  text << "unset multiplot\n";
  return text.str();
}

void add_histograms(PlotSet& plots, const ReportPoint& point, size_t index) {
  constexpr size_t kWideColumns = 7, kNarrowColumns = 3;
  constexpr int kPanel = 96;
  const auto& run = *point.model();
  const auto count = static_cast<size_t>(std::count_if(
      run.tensors.begin(), run.tensors.end(), [](const TensorRecord& t) { return !t.histogram.empty(); }));
  if (count == 0) {
    return;
  }
  const auto rows = [&](size_t columns) { return (count + columns - 1) / columns; };
  plots.add({point_plot(index, "weights"),
             "weights of every layer, " + point.name,
             {kWide, kPanel * static_cast<int>(rows(kWideColumns))},
             {kNarrow, kPanel * static_cast<int>(rows(kNarrowColumns))},
             histograms_body(run, kWideColumns, rows(kWideColumns)),
             histograms_body(run, kNarrowColumns, rows(kNarrowColumns))});
}

}  // namespace

std::string point_plot(size_t index, const std::string& what) {
  return "model" + std::to_string(index + 1) + "-" + what;
}

void add_overview_plots(PlotSet& plots, const std::vector<ReportPoint>& points) {
  add_front(plots, points, /*is_stored=*/false);
  add_front(plots, points, /*is_stored=*/true);
  add_bits_map(plots, points);
  for (const auto& curve : kCurves) {
    add_curve(plots, points, curve);
  }
}

void add_point_plots(PlotSet& plots, const ReportPoint& point, size_t index) {
  if (point.model() == nullptr) {
    return;
  }
  add_time_map(plots, point, index);
  add_planes_map(plots, point, index);
  add_histograms(plots, point, index);
}

}  // namespace bsq::cli
