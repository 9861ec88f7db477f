#include "tools/sweep/earlier_points.h"

#include <filesystem>
#include <fstream>

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr size_t kMostResultsBytes = size_t{16} << 20;

[[noreturn]] void refuse(const std::string& path) {
  throw Error(path + ": is not what a sweep writes; expected another folder as --out");
}

bool is_regular_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

void check_table(const std::string& path) {
  constexpr char kStart[] = "point,";
  char start[sizeof kStart - 1] = {};
  if (is_regular_file(path) &&
      (!std::ifstream(path).read(start, sizeof start) || std::string(start, sizeof start) != kStart)) {
    refuse(path);
  }
}

PointValues values_of(const json& point) {
  PointValues values;
  const auto flags = point.value("flags", json::object());
  for (const auto& [flag, value] : flags.items()) {
    values.emplace_back(flag, value.get<std::string>());
  }
  return values;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name != "." && name != "..";
}

Entry read_point(const std::string& folder, const json& point) {
  Entry entry{load_job(folder, point.at("name").get<std::string>()), {}};
  entry.job.values = values_of(point);
  try {
    entry.result = read_result(entry.job);
  } catch (const std::exception& error) {
    entry.job.finished = 0;
    entry.job.error = error.what();
  }
  return entry;
}

}  // namespace

EarlierResults read_earlier_results(const std::string& folder) {
  const auto path = folder + "/results.json";
  check_table(folder + "/results.csv");
  EarlierResults earlier;
  if (!is_regular_file(path)) {
    return earlier;
  }
  const auto found = json::parse(read_text_file(path, kMostResultsBytes, "the results of a sweep"), nullptr,
                                 /*allow_exceptions=*/false);
  if (!found.is_object() || !found.contains("points") || !found["points"].is_array()) {
    refuse(path);
  }
  try {
    for (const auto& point : found["points"]) {
      const auto name = point.at("name").get<std::string>();
      if (is_plain_name(name) && is_there(folder + "/" + name + "/point.json")) {
        earlier.points.push_back(read_point(folder, point));
      }
    }
  } catch (const json::exception&) {
    refuse(path);
  }
  earlier.float_network = found.value("float", json());
  return earlier;
}

}  // namespace bsq::cli
