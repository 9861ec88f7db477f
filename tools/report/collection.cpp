#include "tools/report/collection.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bsq/base/error.h"
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

// The strength of the penalty; "" where there is none. Older configurations have it as decay, with L1.
std::string alpha_of(const RunRecord& run) {
  const auto alpha = run.flag("L1") == "true" ? run.flag("decay") : run.flag("alpha");
  return alpha == "0" ? "" : alpha;
}

ReportPoint point_of(RunRecord run) {
  ReportPoint point;
  point.name = name_of(run.folder);
  point.label = point.name;
  point.status = run.is_over ? "done" : "running";
  point.commands = {rerun(run)};
  if (run.kind == RunKind::kFloat) {
    point.kind = PointKind::kFloat;
    point.label = "float";
  } else if (run.kind == RunKind::kBits) {
    point.alpha = alpha_of(run);
    point.label = point.alpha.empty() ? point.name : point.alpha;
  } else if (const auto bits = fixed_width(run); bits > 0) {
    point.kind = PointKind::kFixed;
    point.label = std::to_string(bits) + " bit";
  }
  (run.kind == RunKind::kFinetune ? point.finetuned : point.trained) = std::move(run);
  return point;
}

std::string not_results(const std::string& path) {
  return path + ": is not what a sweep writes; expected its results";
}

json read_results(const std::string& path) {
  std::ifstream in(path);
  auto found = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object() || !found.contains("points") || !found["points"].is_array()) {
    throw Error(not_results(path));
  }
  return found;
}

void take_damage(Collection& all, ReportPoint& point, const std::string& what) {
  point.status = "failed";
  point.error = what.substr(0, what.find('\n'));
  all.damage.push_back(point.error);
}

// Whatever a file's content leads to must not keep the others off the page.
std::optional<RunRecord> try_read(Collection& all, ReportPoint& point, const std::string& folder) {
  try {
    auto run = read_run(folder);
    if (!run.note.empty()) {
      all.fallbacks.push_back(run.note);
    }
    return run;
  } catch (const std::exception& error) {
    take_damage(all, point, error.what());
    return std::nullopt;
  }
}

std::optional<RunRecord> read_if_there(Collection& all, ReportPoint& point, const std::string& folder) {
  return is_run_folder(folder) ? try_read(all, point, folder) : std::nullopt;
}

ReportPoint unknown_point(const std::string& folder) {
  ReportPoint point;
  point.name = point.label = name_of(folder);
  point.kind = PointKind::kUnknown;
  return point;
}

ReportPoint run_point(Collection& all, const std::string& folder) {
  auto point = unknown_point(folder);
  if (auto run = try_read(all, point, folder)) {
    point = point_of(std::move(*run));
  }
  return point;
}

void collect_run(Collection& all, const std::string& folder) {
  auto point = run_point(all, folder);
  all.is_running |= !is_settled(point);
  all.points.push_back(std::move(point));
}

ReportPoint sweep_point(Collection& all, const std::string& folder, const json& found) {
  ReportPoint point;
  point.name = found.value("name", "");
  point.status = found.value("status", "");
  point.error = found.value("error", "");
  point.commands = found.value("commands", std::vector<std::string>());
  const auto flags = found.value("flags", std::map<std::string, std::string>());
  point.alpha = flags.count("alpha") != 0 ? flags.at("alpha") : "";
  point.label = point.alpha.empty() ? point.name : point.alpha;
  const auto below = folder + "/" + found.value("folder", "");
  point.trained = read_if_there(all, point, below + "/bsq");
  point.finetuned = read_if_there(all, point, below + "/finetune");
  if (point.alpha.empty()) {
    point.kind = PointKind::kFixed;
    point.trained = read_if_there(all, point, below + "/fixed");
    const auto* run = point.model();
    point.label = run == nullptr ? point.name : std::to_string(fixed_width(*run)) + " bit";
  }
  return point;
}

// The sweep knows how far it is, also before there is a file.
ReportPoint float_point(Collection& all, const std::string& folder, const json& found) {
  auto point = unknown_point(folder);
  if (is_run_folder(folder)) {
    point = run_point(all, folder);
  }
  point.kind = PointKind::kFloat;
  point.label = "float";
  if (point.error.empty()) {
    point.status = found.value("status", point.status);
  }
  point.commands = {found.value("command", "")};
  return point;
}

// A search has moments in which all of its points are done, and at first none.
bool is_sweep_running(const json& results, const std::vector<ReportPoint>& points) {
  const auto status = results.value("status", "");
  return status.empty() ? points.empty() || !std::all_of(points.begin(), points.end(), is_settled)
                        : status == "running";
}

void collect_sweep(Collection& all, const std::string& folder) {
  const auto results = read_results(folder + "/results.json");
  std::vector<ReportPoint> points;
  for (const auto& found : results["points"]) {
    points.push_back(sweep_point(all, folder, found));
  }
  if (results.contains("float")) {
    points.push_back(float_point(all, folder + "/float", results["float"]));
  }
  all.is_running |= is_sweep_running(results, points);
  std::move(points.begin(), points.end(), std::back_inserter(all.points));
}

void try_collect_sweep(Collection& all, const std::string& folder) {
  try {
    collect_sweep(all, folder);
  } catch (const json::exception&) {
    all.points.push_back(unknown_point(folder));
    take_damage(all, all.points.back(), not_results(folder + "/results.json"));
  } catch (const Error& error) {
    all.points.push_back(unknown_point(folder));
    take_damage(all, all.points.back(), error.what());
  }
}

void collect_runs_below(Collection& all, const std::string& folder) {
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
    collect_run(all, run);
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
        point.status = point.status == "done" ? other.status : point.status;
        other.status = "done";
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

bool is_settled(const ReportPoint& point) {
  return point.status == "done" || point.status == "failed" || point.status == "trained";
}

Collection collect(const std::vector<std::string>& folders) {
  Collection all;
  for (const auto& folder : folders) {
    if (fs::exists(folder + "/results.json")) {
      try_collect_sweep(all, folder);
    } else if (is_run_folder(folder)) {
      collect_run(all, folder);
    } else {
      collect_runs_below(all, folder);
    }
  }
  join_finetunings(all.points);
  make_names_unique(all.points);
  return all;
}

}  // namespace bsq::cli
