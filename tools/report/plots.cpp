#include "tools/report/plots.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>

#include "tools/report/bit_maps.h"
#include "tools/report/palette.h"
#include "tools/report/pareto_front.h"
#include "tools/report/plot_parts.h"

namespace bsq::cli {
namespace {

std::string series_color(size_t index) { return "\"@c" + std::to_string(index % kSeriesColors + 1) + "@\""; }
const char* const kFloatColor = "\"@fg@\"";

// --- accuracy against size

// gnuplot's data of one kind, a line a point in the order of its size.
std::vector<std::string> dots_of(const std::vector<ReportPoint>& points, PointKind kind, bool is_stored) {
  std::vector<std::pair<double, const ReportPoint*>> found;
  for (const auto& point : points) {
    const double x = is_stored ? point.comp_stored() : point.comp();
    if (point.kind == kind && std::isfinite(x) && std::isfinite(point.top1())) {
      found.emplace_back(x, &point);
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> dots;
  for (const auto& [x, point] : found) {
    std::ostringstream line;
    line << x << " " << point->top1() << " " << quoted(point->label) << "\n";
    dots.push_back(line.str());
  }
  return dots;
}

// Every so-manieth of them, from `first` on.
std::string some_of(const std::vector<std::string>& dots, size_t first, size_t stride) {
  std::string text;
  for (size_t i = first; i < dots.size(); i += stride) {
    text += dots[i];
  }
  return text;
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

// Labels of neighbours stand at different distances, for they are wider than what lies between the points.
std::string front_body(const std::vector<ReportPoint>& points, bool is_stored, bool is_wide) {
  std::string text = "set logscale x 2\nset offsets graph 0.06, graph 0.08, graph ";
  text += is_wide ? "0.12, graph 0.05\n" : "0.22, graph 0.3\n";
  text += std::string("set xlabel \"") + (is_stored ? "comp_stored" : "comp") +
          " (times smaller than float32)\"\nset ylabel \"top-1, %\"\n";
  text += is_wide ? "set xtics (1,2,3,4,6,8,12,16,24,32,48,64)\n" : "set xtics (1,2,4,8,16,32,64)\n";
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
    double first_label;  // characters above the point
    size_t distances;
  } kinds[] = {
      {PointKind::kBsq, "$bsq", "pt 7 ps 0.8 lc rgb \"@c1@\"", "BSQ, by alpha", -0.9, is_wide ? 2U : 3U},
      {PointKind::kFixed, "$fixed", "pt 5 ps 0.8 lc rgb \"@c2@\"", "fixed width", 0.9, is_wide ? 1U : 3U},
      {PointKind::kFloat, "$float", "pt 9 ps 1 lc rgb \"@fg@\"", "float", 0.9, 1}};
  for (const auto& kind : kinds) {
    const auto dots = dots_of(points, kind.kind, is_stored);
    const std::string block = kind.block;
    add(block, some_of(dots, /*first=*/0, /*stride=*/1),
        std::string(" using 1:2 with points ") + kind.look + " title \"" + kind.title + "\"");
    for (size_t i = 0; i < kind.distances; ++i) {
      add(block + std::to_string(i), some_of(dots, i, kind.distances),
          " using 1:2:3 with labels offset 0," +
              std::to_string(kind.first_label * static_cast<double>(i + 1)) +
              " font \",10\" tc rgb \"@fg@\" notitle");
    }
  }
  return plot.empty() ? "" : text + plot;
}

void add_front(PlotSet& plots, const std::vector<ReportPoint>& points, bool is_stored) {
  const auto wide = front_body(points, is_stored, /*is_wide=*/true);
  const std::string measure = is_stored ? "comp_stored" : "comp";
  if (!wide.empty()) {
    const auto narrow = front_body(points, is_stored, /*is_wide=*/false);
    plots.add({"front-" + measure, "top-1 against " + measure, {kWide, 440}, {kNarrow, 380}, wide, narrow});
  }
}

// --- curves

std::string curve_body(const std::vector<ReportPoint>& points, const Curve& curve, int columns,
                       int* entries) {
  std::string text = std::string("set xlabel \"epoch (dashed: finetuning)\"\nset ylabel \"") + curve.label +
                     "\"\nset key maxcols " + std::to_string(columns) + "\n";
  std::string plot;
  *entries = 0;
  size_t colored = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto color = points[i].kind == PointKind::kFloat ? kFloatColor : series_color(colored++);
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
              (values.size() == 1 ? "points pt 7 ps 0.5" : "lines lw 1.6") + " lc rgb " + color +
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
