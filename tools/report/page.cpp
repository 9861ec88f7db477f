#include "tools/report/page.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <map>
#include <string_view>

namespace bsq::cli {
namespace {

using Json = nlohmann::ordered_json;

// Beyond this no axis shows anything else any more.
constexpr double kMostNumber = 1e30;

// Six digits are more than a plot shows.
Json number(double value) {
  if (!(std::abs(value) <= kMostNumber)) {
    return nullptr;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  const double rounded = std::strtod(text, nullptr);
  const bool is_whole = rounded == std::floor(rounded) && std::abs(rounded) < 1e15;
  return is_whole ? Json(static_cast<int64_t>(rounded)) : Json(rounded);
}

Json numbers(const std::vector<double>& values) {
  auto list = Json::array();
  std::transform(values.begin(), values.end(), std::back_inserter(list), number);
  return list;
}

using Pictures = std::map<std::string, const TensorPicture*>;

Pictures pictures_of(const RunRecord& run) {
  Pictures pictures;
  for (const auto& picture : run.pictures) {
    pictures.emplace(picture.name, &picture);
  }
  return pictures;
}

Json tensor_json(const Pictures& pictures, const std::string& name, const std::vector<int64_t>& shape,
                 int64_t weights) {
  static const TensorPicture nothing;
  const auto found = pictures.find(name);
  const auto& picture = found == pictures.end() ? nothing : *found->second;
  return {{"name", name},
          {"shape", shape},
          {"weights", weights},
          {"ones", numbers(picture.ones)},
          {"low", number(picture.low)},
          {"high", number(picture.high)},
          {"histogram", numbers(picture.histogram)}};
}

Json tensors_json(const RunRecord& run) {
  const auto pictures = pictures_of(run);
  auto list = Json::array();
  for (const auto& tensor : run.summary.tensors) {
    auto item = tensor_json(pictures, tensor.name, tensor.shape, tensor.weights);
    item["bits"] = tensor.bits;
    item["stored"] = count_sizes({tensor}, /*float_elements=*/0).stored_bits;
    list.push_back(std::move(item));
  }
  return list;
}

Json floats_json(const RunRecord& run) {
  const auto pictures = pictures_of(run);
  auto list = Json::array();
  for (const auto& tensor : run.summary.floats) {
    list.push_back(tensor_json(pictures, tensor.name, tensor.shape, tensor.elements()));
  }
  return list;
}

// Scales stand with their tensors.
Json sizes_json(const RunSummary& run) {
  int64_t other_floats = run.float_elements;
  for (const auto& tensor : run.floats) {
    other_floats -= tensor.elements();
  }
  return {{"stored_bits", run.sizes().stored_bits}, {"other_floats", other_floats}};
}

// The bit widths of `tensors`, null where a tensor has none.
Json adjustment_json(const Adjustment& adjustment, const std::vector<std::string>& tensors) {
  const std::map<std::string, int64_t> widths(adjustment.bits.begin(), adjustment.bits.end());
  auto bits = Json::array();
  for (const auto& name : tensors) {
    const auto found = widths.find(name);
    bits.push_back(found == widths.end() ? Json() : Json(found->second));
  }
  return {{"epoch", adjustment.epoch}, {"comp", number(adjustment.comp)}, {"bits", bits}};
}

// Whether the model to use is that of the last epoch, not of the best one.
bool is_of_last_epoch(const RunSummary& run) {
  const auto& file = run.kept.file;
  return file.empty() || file == "checkpoint.h5" || (file == "final.h5" && run.kept.split.empty());
}

// What the final adjustment left, which comes after the last epoch, by the column of log.txt; empty where
// there is none, or none yet.
Json final_json(const RunRecord& run) {
  const auto& summary = run.summary;
  if (!run.adjustments.empty() && run.adjustments.back().epoch >= run.rows) {
    const auto& last = run.adjustments.back();
    return {{"Comp", number(last.comp)}, {"Comp Stored", number(last.comp_stored)}};
  }
  const bool is_last = summary.status == RunStatus::kDone && is_of_last_epoch(summary);
  if (!is_last || summary.tensors.empty()) {
    return Json::object();
  }
  return {{"Comp", number(summary.sizes().comp())}, {"Comp Stored", number(summary.sizes().comp_stored())}};
}

// Which model of the run the accuracy is of, and on which images it was picked.
std::string picked_text(const RunSummary& run) {
  if (run.epochs == 0) {
    return run.method == "converted" ? "as converted" : "not trained";
  }
  if (is_of_last_epoch(run)) {
    return "last epoch";
  }
  const auto& split = run.best.split;
  return "best epoch" + (split == "test"         ? std::string(", picked on the test set")
                         : split == "validation" ? ", picked on images held out of training"
                                                 : "");
}

Json run_json(const RunRecord& run) {
  auto history = Json::array(), adjustments = Json::array();
  const auto adjusted = adjusted_tensors(run.adjustments);
  for (const auto& record : run.log.history) {
    history.push_back(numbers(record));
  }
  for (const auto& adjustment : run.adjustments) {
    adjustments.push_back(adjustment_json(adjustment, adjusted));
  }
  return {{"method", run.summary.method}, {"columns", run.log.columns}, {"rows", run.rows},
          {"epochs", run.epochs},         {"history", history},         {"final", final_json(run)},
          {"adjusted", adjusted},         {"adjustments", adjustments}};
}

Json point_json(const ReportPoint& point) {
  auto runs = Json::array();
  std::transform(point.runs.begin(), point.runs.end(), std::back_inserter(runs), run_json);
  Json item = {{"name", point.name},
               {"label", point.label},
               {"kind", point.method()},
               {"flags", point.flags},
               {"status", point.status},
               {"error", point.error},
               {"comp", number(point.comp())},
               {"comp_stored", number(point.comp_stored())},
               {"before", number(point.top1_before())},
               {"top1", number(point.top1())},
               {"picked", point.model() == nullptr ? "" : picked_text(point.model()->summary)},
               {"seed", point.seed},
               {"seconds", number(point.seconds())},
               {"commands", point.commands},
               {"runs", runs}};
  const auto* run = point.model();
  item["bytes"] = run == nullptr ? 0 : run->bytes;
  item["bit_operations"] =
      run == nullptr || !run->summary.bit_operations ? Json() : Json(*run->summary.bit_operations);
  item["latency_ms"] = run == nullptr || !run->latency_ms ? Json() : number(*run->latency_ms);
  item["tensors"] = run == nullptr ? Json::array() : tensors_json(*run);
  item["floats"] = run == nullptr ? Json::array() : floats_json(*run);
  item["sizes"] = sizes_json(run == nullptr ? RunSummary() : run->summary);
  return item;
}

std::string counts_text(const std::vector<ReportPoint>& points) {
  std::vector<std::pair<std::string, int>> counts;
  for (const auto& point : points) {
    const auto method = point.method();
    const auto at =
        std::find_if(counts.begin(), counts.end(), [&](const auto& count) { return count.first == method; });
    at == counts.end() ? (void)counts.emplace_back(method, 1) : (void)++at->second;
  }
  std::string text;
  for (const auto& [method, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + method;
  }
  return text;
}

std::string summary_of(const Collection& all) {
  auto text = counts_text(all.points);
  if (!all.damage.empty()) {
    text += "; not readable: " + std::to_string(all.damage.size());
  }
  const auto done = std::count_if(all.points.begin(), all.points.end(), [](const ReportPoint& point) {
    return point.status == "done" || point.status == "trained";
  });
  if (all.is_running || done < static_cast<int64_t>(all.points.size())) {
    text += "; " + std::to_string(done) + " of " + std::to_string(all.points.size()) + " done" +
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

// JSON in which no tag can begin or end; bytes that are no UTF-8 become U+FFFD. U+2028 and U+2029 end lines
// in scripts.
std::string script_text(const Json& data) {
  const auto text = data.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size() + text.size() / 16);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto next = std::string_view(text).substr(i, 3);
    const bool is_line_end = next == "\u2028" || next == "\u2029";
    if (is_line_end) {
      safe += next == "\u2028" ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (text[i] == '<') {
      safe += "\\u003c";
    } else {
      safe += text[i];
    }
  }
  return safe;
}

Json seeds_json(const Collection& all) {
  auto list = Json::array();
  for (const auto& group : all.seeds) {
    list.push_back({{"label", group.label}, {"models", group.points}});
  }
  return list;
}

// The template with @NAME@ replaced; what is put in is not looked at again.
std::string filled(const std::string& text, const std::vector<std::pair<std::string, std::string>>& parts) {
  std::string page;
  size_t from = 0;
  for (const auto& [name, part] : parts) {
    const auto mark = "@" + name + "@";
    const auto at = text.find(mark, from);
    page += text.substr(from, at - from) + part;
    from = at + mark.size();
  }
  return page + text.substr(from);
}

}  // namespace

Json page_data(const Collection& all) {
  auto models = Json::array();
  std::transform(all.points.begin(), all.points.end(), std::back_inserter(models), point_json);
  return {
      {"written", time_text()}, {"summary", summary_of(all)}, {"models", models}, {"seeds", seeds_json(all)}};
}

std::string page_of(const Collection& all, int refresh_seconds) {
  const auto refresh = refresh_seconds == 0 ? ""
                                            : "<meta http-equiv=\"refresh\" content=\"" +
                                                  std::to_string(refresh_seconds) + "\">\n";
  return filled(kPageTemplate, {{"GENERATOR", kPageGenerator},
                                {"REFRESH", refresh},
                                {"STYLE", kPageStyle},
                                {"DATA", script_text(page_data(all))},
                                {"PLOTS", kPagePlots},
                                {"PAGE", kPageScript}});
}

}  // namespace bsq::cli
