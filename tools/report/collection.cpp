#include "tools/report/collection.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bsq/error.h"
#include "tools/sweep/settings.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

std::string name_of(const std::string& folder) {
  auto path = fs::path(folder).lexically_normal();
  path = path.filename().empty() ? path.parent_path() : path;
  return path.filename().string();
}

// The width that every tensor of a fixed-bit model has at most, or 0 for a mixed one.
int64_t fixed_width(const RunRecord& run) {
  int64_t most = 0, weights = 0, at_most = 0;
  for (const auto& tensor : run.tensors) {
    most = std::max(most, tensor.bits);
  }
  for (const auto& tensor : run.tensors) {
    weights += tensor.weights;
    at_most += tensor.bits == most ? tensor.weights : 0;
  }
  return at_most * 10 > weights * 9 ? most : 0;
}

// A folder beside the run's, which stays as it is.
std::string folder_again(const std::string& folder) {
  auto path = fs::path(folder).lexically_normal();
  path = path.filename().empty() ? path.parent_path() : path;
  const bool is_named = path != "." && path.filename() != "..";
  return (is_named ? path : fs::canonical(path)).string() + "-again";
}

std::string rerun(const RunRecord& run) {
  const char* program = run.flag("epochs").empty()       ? "convert"
                        : run.kind == RunKind::kFinetune ? "finetune"
                                                         : "bsq_train";
  const auto again = folder_again(run.folder);
  std::vector<std::string> words = {program, "--config", run.folder + "/config.cfg", "--checkpoint", again};
  if (const auto exported = run.flag("export-pth"); !exported.empty()) {
    words.insert(words.end(), {"--export-pth", again + fs::path(exported).extension().string()});
  }
  return shell_text(words);
}

ReportPoint point_of(RunRecord run) {
  ReportPoint point;
  point.name = name_of(run.folder);
  point.label = point.name;
  point.status = "done";
  point.commands = {rerun(run)};
  if (run.kind == RunKind::kFloat) {
    point.kind = PointKind::kFloat;
    point.label = "float";
  } else if (run.kind == RunKind::kBits) {
    point.alpha = run.flag("L1") == "true" ? run.flag("decay") : "";
    point.label = point.alpha.empty() ? point.name : point.alpha;
  } else if (const auto bits = fixed_width(run); bits > 0) {
    point.kind = PointKind::kFixed;
    point.label = std::to_string(bits) + " bit";
  }
  (run.kind == RunKind::kFinetune ? point.finetuned : point.trained) = std::move(run);
  return point;
}

json read_results(const std::string& path) {
  std::ifstream in(path);
  auto found = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object() || !found.contains("points") || !found["points"].is_array()) {
    throw Error(path + ": is not what a sweep writes; expected its results");
  }
  return found;
}

std::optional<RunRecord> read_if_there(const std::string& folder) {
  return is_run_folder(folder) ? std::optional(read_run(folder)) : std::nullopt;
}

ReportPoint sweep_point(const std::string& folder, const json& found) {
  ReportPoint point;
  point.name = found.value("name", "");
  point.status = found.value("status", "");
  point.error = found.value("error", "");
  point.commands = found.value("commands", std::vector<std::string>());
  const auto flags = found.value("flags", std::map<std::string, std::string>());
  point.alpha = flags.count("alpha") != 0 ? flags.at("alpha") : "";
  point.label = point.alpha.empty() ? point.name : point.alpha;
  const auto below = folder + "/" + found.value("folder", "");
  point.trained = read_if_there(below + "/bsq");
  point.finetuned = read_if_there(below + "/finetune");
  if (point.alpha.empty()) {
    point.kind = PointKind::kFixed;
    point.trained = read_if_there(below + "/fixed");
    const auto* run = point.model();
    point.label = run == nullptr ? point.name : std::to_string(fixed_width(*run)) + " bit";
  }
  return point;
}

void collect_sweep(std::vector<ReportPoint>& points, const std::string& folder) {
  const auto results = read_results(folder + "/results.json");
  for (const auto& found : results["points"]) {
    points.push_back(sweep_point(folder, found));
  }
  if (results.contains("float") && is_run_folder(folder + "/float")) {
    points.push_back(point_of(read_run(folder + "/float")));
    points.back().commands = {results["float"].value("command", "")};
  }
}

void collect_runs_below(std::vector<ReportPoint>& points, const std::string& folder) {
  std::vector<std::string> runs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory() && is_run_folder(entry.path().string())) {
      runs.push_back(entry.path().string());
    }
  }
  if (runs.empty()) {
    throw Error(folder + ": holds no run; expected a run's folder, a sweep's, or a folder of runs");
  }
  std::sort(runs.begin(), runs.end());
  for (const auto& run : runs) {
    points.push_back(point_of(read_run(run)));
  }
}

// Where a finetuning's model lies in another point's folder, the two are one point.
void join_finetunings(std::vector<ReportPoint>& points) {
  std::error_code error;
  const auto origin = [&](const RunRecord& run) {
    return fs::weakly_canonical(fs::path(run.flag("model")).parent_path(), error);
  };
  for (auto& point : points) {
    if (!point.trained || point.finetuned || point.kind != PointKind::kBsq) {
      continue;
    }
    for (auto& other : points) {
      if (other.finetuned && !other.trained &&
          origin(*other.finetuned) == fs::weakly_canonical(point.trained->folder, error)) {
        point.finetuned = std::move(other.finetuned);
        other.finetuned.reset();
        point.commands.push_back(other.commands.front());
        break;
      }
    }
  }
  points.erase(std::remove_if(points.begin(), points.end(),
                              [](const ReportPoint& point) {
                                return point.status == "done" && point.model() == nullptr;
                              }),
               points.end());
}

void make_names_unique(std::vector<ReportPoint>& points) {
  std::map<std::string, int> seen;
  std::map<std::string, int> labels;
  for (auto& point : points) {
    const int count = ++seen[point.name];
    point.name += count > 1 ? "-" + std::to_string(count) : "";
    const int labelled = ++labels[point.label];
    point.label += labelled > 1 ? " #" + std::to_string(labelled) : "";
  }
}

}  // namespace

const RunRecord* ReportPoint::model() const {
  return finetuned ? &*finetuned : trained ? &*trained : nullptr;
}

double ReportPoint::comp() const { return model() == nullptr ? std::nan("") : model()->comp; }
double ReportPoint::comp_stored() const { return model() == nullptr ? std::nan("") : model()->comp_stored; }
double ReportPoint::top1() const { return model() == nullptr ? std::nan("") : model()->top1; }

std::vector<ReportPoint> collect_points(const std::vector<std::string>& folders) {
  std::vector<ReportPoint> points;
  for (const auto& folder : folders) {
    if (fs::exists(folder + "/results.json")) {
      collect_sweep(points, folder);
    } else if (is_run_folder(folder)) {
      points.push_back(point_of(read_run(folder)));
    } else {
      collect_runs_below(points, folder);
    }
  }
  join_finetunings(points);
  make_names_unique(points);
  return points;
}

bool are_complete(const std::vector<ReportPoint>& points) {
  return std::all_of(points.begin(), points.end(), [](const ReportPoint& point) {
    return point.status == "done" || point.status == "failed" || point.status == "trained";
  });
}

std::vector<size_t> pareto_front(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<size_t> order;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      order.push_back(i);
    }
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return x[a] != x[b] ? x[a] > x[b] : y[a] > y[b]; });
  std::vector<size_t> front;
  for (const size_t i : order) {
    if (front.empty() || y[i] > y[front.back()]) {
      front.push_back(i);
    }
  }
  std::reverse(front.begin(), front.end());
  return front;
}

}  // namespace bsq::cli
