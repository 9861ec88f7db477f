#include "tools/report/page.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>

namespace bsq::cli {
namespace {

using Json = nlohmann::ordered_json;

// Six digits are more than a plot shows.
Json number(double value) {
  if (!std::isfinite(value)) {
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

const TensorPicture* picture_of(const RunRecord& run, const std::string& tensor) {
  const auto at = std::find_if(run.pictures.begin(), run.pictures.end(),
                               [&](const TensorPicture& picture) { return picture.name == tensor; });
  return at == run.pictures.end() ? nullptr : &*at;
}

Json tensor_json(const RunRecord& run, const std::string& name, const std::vector<int64_t>& shape,
                 int64_t weights) {
  static const TensorPicture nothing;
  const auto* found = picture_of(run, name);
  const auto& picture = found == nullptr ? nothing : *found;
  return {{"name", name},
          {"shape", shape},
          {"weights", weights},
          {"ones", numbers(picture.ones)},
          {"low", number(picture.low)},
          {"high", number(picture.high)},
          {"histogram", numbers(picture.histogram)}};
}

Json tensors_json(const RunRecord& run) {
  auto list = Json::array();
  for (const auto& tensor : run.summary.tensors) {
    auto item = tensor_json(run, tensor.name, tensor.shape, tensor.weights);
    item["bits"] = tensor.bits;
    item["stored"] = count_sizes({tensor}, /*float_elements=*/0).stored_bits;
    list.push_back(std::move(item));
  }
  return list;
}

Json floats_json(const RunRecord& run) {
  auto list = Json::array();
  for (const auto& tensor : run.summary.floats) {
    list.push_back(tensor_json(run, tensor.name, tensor.shape, tensor.elements()));
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

Json adjustment_json(const Adjustment& adjustment) {
  auto bits = Json::array();
  for (const auto& [name, width] : adjustment.bits) {
    bits.push_back(width);
  }
  return {{"epoch", adjustment.epoch}, {"comp", number(adjustment.comp)}, {"bits", bits}};
}

Json run_json(const RunRecord& run) {
  auto history = Json::array(), adjustments = Json::array(), adjusted = Json::array();
  for (const auto& record : run.log.history) {
    history.push_back(numbers(record));
  }
  for (const auto& adjustment : run.adjustments) {
    adjustments.push_back(adjustment_json(adjustment));
  }
  if (!run.adjustments.empty()) {
    for (const auto& [name, bits] : run.adjustments.front().bits) {
      adjusted.push_back(name);
    }
  }
  return {{"method", run.summary.method},
          {"columns", run.log.columns},
          {"history", history},
          {"adjusted", adjusted},
          {"adjustments", adjustments}};
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
               {"seconds", number(point.seconds())},
               {"commands", point.commands},
               {"runs", runs}};
  const auto* run = point.model();
  item["bytes"] = run == nullptr ? 0 : run->bytes;
  item["bit_operations"] =
      run == nullptr || !run->summary.bit_operations ? Json() : Json(*run->summary.bit_operations);
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

// JSON in which no tag can begin or end.
std::string script_text(const Json& data) {
  const auto text = data.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return safe;
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
  return {{"written", time_text()}, {"summary", summary_of(all)}, {"models", models}};
}

std::string page_of(const Collection& all, int refresh_seconds) {
  const auto refresh = refresh_seconds == 0 ? ""
                                            : "<meta http-equiv=\"refresh\" content=\"" +
                                                  std::to_string(refresh_seconds) + "\">\n";
  return filled(kPageTemplate, {{"REFRESH", refresh},
                                {"STYLE", kPageStyle},
                                {"DATA", script_text(page_data(all))},
                                {"PLOTS", kPagePlots},
                                {"PAGE", kPageScript}});
}

}  // namespace bsq::cli
