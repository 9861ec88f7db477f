#include "tools/report/page.h"

#include <algorithm>
#include <ctime>
#include <set>
#include <sstream>

#include "tools/report/html_text.h"
#include "tools/report/palette.h"
#include "tools/report/pareto_front.h"
#include "tools/report/plot_parts.h"
#include "tools/report/plots.h"

namespace bsq::cli {
namespace {

constexpr const char* kLightPaper = "--paper:#faf9f6;--card:#fff;--edge:#e6e3dc;";
constexpr const char* kDarkPaper = "--paper:#14171b;--card:#1a1e23;--edge:#2c3239;";

std::string style() {
  const auto light = css_variables(/*is_dark=*/false) + kLightPaper;
  const auto dark = css_variables(/*is_dark=*/true) + kDarkPaper;
  return ":root{" + light + "}\n@media (prefers-color-scheme:dark){:root{" + dark +
         "}}\n:root[data-theme=light]{" + light + "color-scheme:light}\n:root[data-theme=dark]{" + dark +
         "color-scheme:dark}" + kPageStyle;
}

double seconds_of(const ReportPoint& point) {
  double sum = 0;
  for (const auto* run :
       {point.trained ? &*point.trained : nullptr, point.finetuned ? &*point.finetuned : nullptr}) {
    for (const double seconds : run == nullptr ? std::vector<double>() : run->column("Seconds")) {
      sum += seconds;
    }
  }
  return sum;
}

std::string kind_text(const ReportPoint& point) {
  switch (point.kind) {
    case PointKind::kFloat:
      return "float";
    case PointKind::kFixed:
      return "fixed width";
    case PointKind::kUnknown:
      return "–";
    default:
      return "BSQ";
  }
}

std::set<size_t> front_of(const std::vector<ReportPoint>& points) {
  std::vector<double> x, y;
  for (const auto& point : points) {
    x.push_back(point.comp());
    y.push_back(point.top1());
  }
  const auto front = pareto_front(x, y);
  return {front.begin(), front.end()};
}

// What finetuning began with: of a fixed width the last epoch, not the best one.
double trained_top1(const ReportPoint& point) {
  if (!point.trained) {
    return std::nan("");
  }
  return point.kind == PointKind::kFixed ? point.trained->last_top1 : point.trained->top1;
}

std::string model_row(const ReportPoint& point, bool is_on_front) {
  const auto trained = trained_top1(point);
  const auto finetuned = point.finetuned ? point.finetuned->top1 : std::nan("");
  const auto bytes = point.model() == nullptr || point.model()->bytes == 0
                         ? std::nan("")
                         : static_cast<double>(point.model()->bytes) / 1024;
  std::ostringstream row;
  row << "<tr class=\"" << (is_on_front ? "front " : "") << (point.status == "failed" ? "failed" : "")
      << "\"><td>" << html_text(point.name) << "</td><td class=\"text\">" << kind_text(point) << "</td><td>"
      << html_text(point.alpha.empty() ? "–" : point.alpha) << "</td><td>" << html_number(point.comp(), 2)
      << "</td><td>" << html_number(point.comp_stored(), 2) << "</td><td>" << html_number(trained, 2)
      << "</td><td>" << html_number(finetuned, 2) << "</td><td>" << html_number(bytes, 1) << "</td><td>"
      << html_number(seconds_of(point) / 60, 1) << "</td><td class=\"text\">"
      << html_text(point.error.empty() ? point.status : point.status + ": " + point.error) << "</td></tr>\n";
  return row.str();
}

std::string head_of(const std::vector<std::string>& names) {
  std::string text = "<div class=\"table\"><table><thead><tr>";
  for (const auto& name : names) {
    text += "<th scope=\"col\">" + name + "</th>";
  }
  return text + "</tr></thead><tbody>\n";
}

std::string models_table(const std::vector<ReportPoint>& points) {
  const auto front = front_of(points);
  auto text = head_of({"model", "kind", "alpha", "comp", "comp_stored", "trained, %", "finetuned, %",
                       "file, KiB", "minutes", "status"});
  for (size_t i = 0; i < points.size(); ++i) {
    text += model_row(points[i], front.count(i) != 0);
  }
  return text + "</tbody></table></div>\n";
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) {
    text += (text.empty() ? "" : " × ") + std::to_string(size);
  }
  return text;
}

std::string size_row(const std::string& name, const std::string& shape, const TensorRecord& tensor,
                     int64_t all_bits) {
  const auto stored = static_cast<double>(tensor.stored_bits());
  const auto weights = std::to_string(tensor.weights);
  return "<tr><td>" + html_text(name) + "</td><td data-v=\"" + weights + "\">" + shape + "</td><td>" +
         weights + "</td><td>" + std::to_string(tensor.bits) + "</td><td>" + html_number(stored / 8, 0) +
         "</td><td>" + html_number(all_bits > 0 ? 100 * stored / static_cast<double>(all_bits) : 0, 1) +
         "</td></tr>\n";
}

std::string sizes_table(const RunRecord& run) {
  auto text = head_of({"tensor", "shape", "weights", "bits", "stored, bytes", "of the model, %"});
  const auto all_bits = run.stored_bits();
  for (const auto* tensors : {&run.tensors, &run.float_tensors}) {
    for (const auto& tensor : *tensors) {
      text += size_row(tensor.name, shape_text(tensor.shape), tensor, all_bits);
    }
  }
  TensorRecord others;
  others.weights = run.other_floats;
  others.bits = kFloatBits;
  text += size_row("other float (normalization, biases, ranges, scales)", "–", others, all_bits);
  return text + "</tbody></table></div>\n";
}

std::string point_section(const ReportPoint& point, size_t index, const PlotSet& plots) {
  std::ostringstream text;
  text << "<details" << (index == 0 ? " open" : "") << "><summary><b>" << html_text(point.name)
       << "</b><span>comp " << html_number(point.comp(), 2) << "</span><span>top-1 "
       << html_number(point.top1(), 2) << " %</span><span>" << html_text(point.status)
       << "</span></summary>\n";
  if (!point.error.empty()) {
    text << "<p>Failed: " << html_text(point.error) << "</p>\n";
  }
  text << plots.figure(
              point_plot(index, "time"),
              "Bits of every layer over training; the strip at the right is what the final adjustment left.")
       << plots.figure(point_plot(index, "planes"),
                       "Percent of weights with a non-zero digit in each plane, most significant first.")
       << plots.figure(point_plot(index, "weights"),
                       "How the weights of every layer are distributed: weights by value, each layer's "
                       "height its own.");
  if (point.model() != nullptr && !point.model()->tensors.empty()) {
    text << "<h3>Size</h3>\n" << sizes_table(*point.model());
  }
  if (!point.commands.empty()) {
    text << "<h3>To run it again</h3>\n<pre>";
    for (const auto& command : point.commands) {
      text << html_text(command) << "\n";
    }
    text << "</pre>\n";
  }
  text << "</details>\n";
  return text.str();
}

std::string curves_section(const PlotSet& plots) {
  std::string figures;
  for (const auto& curve : kCurves) {
    figures += plots.figure(curve.name, std::string("By epoch: ") + curve.label + ".");
  }
  return figures.empty() ? "" : "<h2>Training</h2>\n" + figures;
}

std::string summary_of(const Collection& all) {
  const auto& points = all.points;
  const auto count = [&](auto matches) { return std::count_if(points.begin(), points.end(), matches); };
  const auto kinds = [&](PointKind kind) {
    return std::to_string(count([&](const ReportPoint& point) { return point.kind == kind; }));
  };
  auto text = kinds(PointKind::kBsq) + " BSQ, " + kinds(PointKind::kFixed) + " of fixed width, " +
              kinds(PointKind::kFloat) + " float";
  if (!all.damage.empty()) {
    text += "; not readable: " + std::to_string(all.damage.size());
  }
  const auto settled = static_cast<size_t>(count(is_settled));
  if (all.is_running || settled < points.size()) {
    const auto done = settled - static_cast<size_t>(
                                    count([](const ReportPoint& point) { return point.status == "failed"; }));
    text += "; " + std::to_string(done) + " of " + std::to_string(points.size()) + " done" +
            (all.is_running ? " so far" : "");
  }
  return text;
}

std::string time_text() {
  const auto now = std::time(nullptr);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", std::localtime(&now));
  return text;
}

}  // namespace

std::string page_of(const Collection& all, const PlotSet& plots, int refresh_seconds) {
  const auto& points = all.points;
  std::ostringstream page;
  page << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
       << "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  if (refresh_seconds > 0) {
    page << "<meta http-equiv=\"refresh\" content=\"" << refresh_seconds << "\">\n";
  }
  page << "<link rel=\"icon\" href=\"data:,\">\n<title>BSQ report</title>\n<style>" << style()
       << "</style>\n</head>\n<body>\n<main>\n<header><h1>BSQ report</h1><button id=\"theme\" "
       << "type=\"button\">Light / dark</button></header>\n<p>" << html_text(summary_of(all)) << "</p>\n"
       << "<h2>Accuracy against size</h2>\n"
       << plots.figure(
              "front-comp",
              "comp, as published: 32 bits over the mean bits of a weight in bit layers, without signs.")
       << plots.figure("front-comp_stored",
                       "comp_stored, what a file saves: signs, scales and float layers included.")
       << models_table(points)
       << "<p>Top-1 after bsq_train and after finetuning. ● on the Pareto front of accuracy and comp. A "
          "click on a column's name sorts.</p>\n";
  const auto bits = plots.figure("bits", "Bits of every layer. 0: all of its weights are 0.");
  page << (bits.empty() ? "" : "<h2>Bits per layer</h2>\n" + bits) << curves_section(plots)
       << "<h2>Models</h2>\n";
  for (size_t i = 0; i < points.size(); ++i) {
    page << point_section(points[i], i, plots);
  }
  page << "<footer>Written " << time_text() << " by report.</footer>\n</main>\n<script>" << kPageScript
       << "</script>\n</body>\n</html>\n";
  return page.str();
}

}  // namespace bsq::cli
