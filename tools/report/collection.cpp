#include "tools/report/collection.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"
#include "tools/cli/folder_lock.h"
#include "tools/cli/run_reader.h"
#include "tools/cli/shell_text.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr size_t kMostResultBytes = size_t{16} << 20;
constexpr size_t kMostResultValues = size_t{1} << 20;
constexpr int kMostResultDepth = 8;
constexpr size_t kMostPoints = 10000;

// The last name of a path, also of one that ends with a slash.
fs::path plain(const std::string& folder) {
  const auto path = fs::path(folder).lexically_normal();
  return path.filename().empty() ? path.parent_path() : path;
}

std::string name_of(const std::string& folder) { return plain(folder).filename().string(); }

// The bit width that nine of ten weights have, or 0 where there is none.
int64_t uniform_bits(const RunSummary& run) {
  std::map<int64_t, int64_t> weights;
  int64_t all = 0;
  for (const auto& tensor : run.tensors) {
    weights[tensor.bits] += tensor.weights;
    all += tensor.weights;
  }
  for (const auto& [bits, count] : weights) {
    if (count * 10 > all * 9) {
      return bits;
    }
  }
  return 0;
}

// What a point is called on plots where no flag of a sweep tells it from others.
std::string label_of(const ReportPoint& point) {
  if (point.model() == nullptr) {
    return point.name;
  }
  const auto& run = point.model()->summary;
  const auto bits = uniform_bits(run);
  return run.tensors.empty() ? run.method : bits > 0 ? std::to_string(bits) + " bit" : point.name;
}

// A folder beside the run's, which stays as it is.
std::string folder_again(const std::string& folder) {
  const auto path = plain(folder);
  const bool is_named = path != "." && path.filename() != "..";
  return (is_named ? path : fs::canonical(path)).string() + "-again";
}

std::string rerun(const RunRecord& run) {
  const auto again = folder_again(run.folder);
  std::vector<std::string> words = {run.summary.program, "--config", run.folder + "/config.cfg",
                                    "--checkpoint", again};
  for (const auto& [name, value] : run.configuration) {
    if (name == "export-pth" && !value.empty()) {
      words.insert(words.end(), {"--export-pth", again + fs::path(value).extension().string()});
    }
  }
  return shell_text(words);
}

const char* text_of(RunStatus status) {
  return status == RunStatus::kDone ? "done" : status == RunStatus::kRunning ? "running" : "stopped";
}

std::string not_results(const std::string& path) {
  return path + ": is not what a sweep writes; expected its results";
}

json read_results(const std::string& path) {
  bool is_sane = true;
  size_t values = 0;
  const auto watch = [&](int depth, json::parse_event_t, json&) {
    is_sane = is_sane && depth <= kMostResultDepth && ++values <= kMostResultValues;
    return is_sane;
  };
  const auto text = read_text_file(path, kMostResultBytes, "the results of a sweep");
  auto found = json::parse(text, watch, /*allow_exceptions=*/false);
  if (!is_sane || !found.is_object() || !found.contains("points") || !found["points"].is_array() ||
      found["points"].size() > kMostPoints) {
    throw Error(not_results(path));
  }
  return found;
}

// The first line, where a line end in the folder's name is none.
void take_damage(Collection& all, ReportPoint& point, const std::string& folder, const std::string& what) {
  point.status = "failed";
  point.error = what.substr(0, what.find('\n', what.rfind(folder, 0) == 0 ? folder.size() : 0));
  all.damage.push_back(point.error);
}

// Whatever a file's content leads to must not keep the others off the page.
void try_add_run(Collection& all, ReportPoint& point, const std::string& folder) {
  try {
    auto run = read_run(folder);
    if (!run.note.empty()) {
      all.fallbacks.push_back(run.note);
    }
    if (point.commands.empty()) {
      point.commands = {rerun(run)};
    }
    point.runs.push_back(std::move(run));
  } catch (const std::exception& error) {
    take_damage(all, point, folder, error.what());
  }
}

// What two points that differ only in the seed have in common, and the seed. Where a run's folder lies, how
// many threads it has and from which run of its point it starts make no difference.
void take_seed(ReportPoint& point) {
  static const std::vector<std::string> ignored = {"checkpoint", "out", "export-pth", "threads", "workers"};
  const auto is_seed = [](const std::string& name) { return name == "seed" || name == "manualSeed"; };
  std::string twins = point.method();
  for (const auto& [flag, value] : point.flags) {
    (is_seed(flag) ? point.seed : twins) += is_seed(flag) ? value : "\n" + flag + "=" + value;
  }
  for (const auto& run : point.runs) {
    twins += "\n" + run.summary.program;
    for (const auto& [name, value] : run.configuration) {
      const bool is_ignored = std::find(ignored.begin(), ignored.end(), name) != ignored.end() ||
                              (name == "model" && &run != &point.runs.front());
      if (is_seed(name)) {
        point.seed = point.seed.empty() ? value : point.seed;
      } else if (!is_ignored) {
        twins += "\n" + name + "=" + value;
      }
    }
  }
  const bool is_known = !point.runs.empty() && !point.runs.front().configuration.empty();
  point.twins = is_known && !point.seed.empty() ? twins : "";
}

ReportPoint run_point(Collection& all, const std::string& folder) {
  ReportPoint point;
  point.name = point.label = name_of(folder);
  try_add_run(all, point, folder);
  if (point.model() != nullptr) {
    point.status = text_of(point.model()->summary.status);
    point.label = label_of(point);
  }
  return point;
}

void collect_run(Collection& all, const std::string& folder) {
  auto point = run_point(all, folder);
  take_seed(point);
  all.is_running |= !is_settled(point);
  all.points.push_back(std::move(point));
}

// The runs of a point in their order; sweeps of older versions do not name them.
std::vector<std::string> runs_of(const json& found) {
  const auto below = found.value("folder", "");
  return found.value("runs", std::vector<std::string>{below + "/bsq", below + "/fixed", below + "/finetune"});
}

// A name from a file must not lead out of the sweep's folder.
bool stays_inside(const std::string& run) {
  const fs::path path(run);
  return path.is_relative() && std::find(path.begin(), path.end(), "..") == path.end();
}

ReportPoint sweep_point(Collection& all, const std::string& folder, const json& found) {
  ReportPoint point;
  point.name = found.value("name", "");
  point.status = found.value("status", "");
  point.error = found.value("error", "");
  point.commands = found.value("commands", std::vector<std::string>());
  point.flags = found.value("flags", std::map<std::string, std::string>());
  for (const auto& run : runs_of(found)) {
    if (stays_inside(run) && is_run_folder(folder + "/" + run)) {
      try_add_run(all, point, folder + "/" + run);
    }
  }
  take_seed(point);
  return point;
}

// A line of the record that is none must not keep the others off the page.
ReportPoint try_sweep_point(Collection& all, const std::string& folder, const json& found) {
  try {
    return sweep_point(all, folder, found);
  } catch (const std::exception&) {
    ReportPoint point;
    point.name = name_of(folder);
    take_damage(all, point, folder, not_results(folder + "/results.json"));
    return point;
  }
}

// The sweep knows how far it is, also before there is a file.
ReportPoint float_point(Collection& all, const std::string& folder, const json& found) {
  ReportPoint point;
  point.name = "float";
  if (is_run_folder(folder)) {
    point = run_point(all, folder);
  }
  point.label = "float";
  if (point.error.empty()) {
    point.status = found.value("status", point.status);
  }
  point.commands = {found.value("command", "")};
  return point;
}

// A sweep that goes on holds its folder, and so does the last run of a killed one. Tasks of Slurm that wait
// or run hold none.
bool is_sweep_running(const std::string& folder, const json& results) {
  const auto status = results.value("status", "running");
  return status == "submitted" || (status == "running" && is_locked(folder, kSweepLock));
}

// What a killed sweep has left behind.
void stop_points(std::vector<ReportPoint>& points) {
  for (auto& point : points) {
    point.status = is_settled(point) ? point.status : "stopped";
  }
}

// Whether points differ in a flag.
bool varies(const std::vector<ReportPoint>& points, const std::string& flag) {
  std::optional<std::string> seen;
  for (const auto& point : points) {
    const auto at = point.flags.find(flag);
    if (at != point.flags.end() && seen.value_or(at->second) != at->second) {
      return true;
    }
    seen = at == point.flags.end() ? seen : at->second;
  }
  return false;
}

void label_points(std::vector<ReportPoint>& points) {
  for (auto& point : points) {
    std::string label;
    for (const auto& [flag, value] : point.flags) {
      if (varies(points, flag) && !value.empty()) {
        label += (label.empty() ? "" : " ") + value;
      }
    }
    point.label = label.empty() ? label_of(point) : label;
  }
}

void collect_sweep(Collection& all, const std::string& folder) {
  const auto results = read_results(folder + "/results.json");
  std::vector<ReportPoint> points;
  for (const auto& found : results["points"]) {
    points.push_back(try_sweep_point(all, folder, found));
  }
  label_points(points);
  if (results.contains("float")) {
    points.push_back(float_point(all, folder + "/float", results["float"]));
  }
  if (is_sweep_running(folder, results)) {
    all.is_running = true;
  } else {
    stop_points(points);
  }
  std::move(points.begin(), points.end(), std::back_inserter(all.points));
}

void try_collect_sweep(Collection& all, const std::string& folder) {
  const auto fail = [&](const std::string& what) {
    all.points.emplace_back();
    all.points.back().name = all.points.back().label = name_of(folder);
    take_damage(all, all.points.back(), folder, what);
  };
  try {
    collect_sweep(all, folder);
  } catch (const json::exception&) {
    fail(not_results(folder + "/results.json"));
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

// False where there is none.
bool try_collect_runs_below(Collection& all, const std::string& folder) {
  std::vector<std::string> runs;
  std::error_code error;
  const fs::directory_iterator end;
  for (auto at = fs::directory_iterator(folder, error); !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->is_directory(ignored) && is_run_folder(at->path().string())) {
      runs.push_back(at->path().string());
    }
  }
  std::sort(runs.begin(), runs.end());
  for (const auto& run : runs) {
    collect_run(all, run);
  }
  return !runs.empty();
}

// A failed point among others; alone there is nothing to make a page of.
void take_empty(Collection& all, const std::string& folder) {
  const auto what = folder + ": holds no run; expected a run's folder, a sweep's, or a folder of runs";
  if (all.points.empty()) {
    throw Error(what);
  }
  ReportPoint point;
  point.name = point.label = name_of(folder);
  take_damage(all, point, folder, what);
  all.points.push_back(std::move(point));
}

// Tensors may have lost their last bits since.
bool keeps_bits(const RunSummary& later, const RunSummary& earlier) {
  return !earlier.tensors.empty() &&
         std::equal(later.tensors.begin(), later.tensors.end(), earlier.tensors.begin(),
                    earlier.tensors.end(), [](const TensorBits& a, const TensorBits& b) {
                      return a.name == b.name && (a.bits == b.bits || a.bits == 0);
                    });
}

bool follows(const RunRecord& later, const RunRecord& earlier) {
  std::error_code error;
  const auto origin = fs::path(later.summary.started_from).parent_path();
  return !origin.empty() && earlier.summary.epochs > 0 &&
         fs::weakly_canonical(origin, error) == fs::weakly_canonical(earlier.folder, error) &&
         keeps_bits(later.summary, earlier.summary);
}

void join(ReportPoint& point, ReportPoint& next) {
  point.runs.push_back(std::move(next.runs.front()));
  point.status = point.status == "done" ? next.status : point.status;
  point.commands.insert(point.commands.end(), next.commands.begin(), next.commands.end());
  point.seed.clear();
  take_seed(point);
}

// A run that goes on from another point's model is one point with it.
void join_followers(std::vector<ReportPoint>& points) {
  for (size_t i = 0; i < points.size(); ++i) {
    const auto next = std::find_if(points.begin(), points.end(), [&](const ReportPoint& other) {
      return points[i].runs.size() == 1 && other.runs.size() == 1 && other.name != points[i].name &&
             follows(other.runs.front(), points[i].runs.front());
    });
    if (next != points.end()) {
      join(points[i], *next);
      i -= next - points.begin() < static_cast<std::ptrdiff_t>(i) ? 1 : 0;
      points.erase(next);
    }
  }
}

// The name, or its two ends where it is too long for a plot. Cuts between characters, never within one of
// UTF-8.
std::string short_name(const std::string& name) {
  constexpr size_t kLongest = 24, kEnd = 11;
  const auto is_within = [&](size_t at) { return (static_cast<unsigned char>(name[at]) & 0xC0U) == 0x80U; };
  if (name.size() <= kLongest) {
    return name;
  }
  size_t first = kEnd, second = name.size() - kEnd;
  while (first > 0 && is_within(first)) {
    --first;
  }
  while (second < name.size() && is_within(second)) {
    ++second;
  }
  return name.substr(0, first) + "…" + name.substr(second);
}

// Points of one name get numbers. Points of one label are called by their names, so that a reader finds them
// in the table.
void make_names_unique(std::vector<ReportPoint>& points) {
  std::map<std::string, int> names;
  std::map<std::string, int> labels;
  for (auto& point : points) {
    const int count = ++names[point.name];
    point.name += count > 1 ? "-" + std::to_string(count) : "";
    ++labels[point.label];
  }
  std::map<std::string, int> seen;
  for (auto& point : points) {
    point.label = labels[point.label] > 1 ? short_name(point.name) : point.label;
    const int count = ++seen[point.label];
    point.label += count > 1 ? " #" + std::to_string(count) : "";
  }
}

// The label without the seed's value, which is one of its words.
std::string label_without(const std::string& label, const std::string& seed) {
  std::istringstream words(label);
  std::string text;
  for (std::string word; words >> word;) {
    text += word == seed ? "" : (text.empty() ? "" : " ") + word;
  }
  return text.empty() ? label : text;
}

// Points that are done and differ only in the seed, two seeds at least.
void group_seeds(Collection& all) {
  std::map<std::string, std::vector<size_t>> twins;
  std::vector<std::string> order;
  for (size_t i = 0; i < all.points.size(); ++i) {
    const auto& point = all.points[i];
    if (point.twins.empty() || point.status != "done" || !std::isfinite(point.top1())) {
      continue;
    }
    auto& group = twins[point.twins];
    const bool is_new = std::none_of(group.begin(), group.end(),
                                     [&](size_t other) { return all.points[other].seed == point.seed; });
    if (group.empty()) {
      order.push_back(point.twins);
    }
    if (is_new) {
      group.push_back(i);
    }
  }
  for (const auto& key : order) {
    const auto& group = twins[key];
    if (group.size() > 1) {
      const auto& first = all.points[group.front()];
      all.seeds.push_back({label_without(first.label, first.seed), group});
    }
  }
}

}  // namespace

double ReportPoint::comp() const {
  return model() == nullptr ? std::nan("") : model()->summary.sizes().comp();
}

double ReportPoint::comp_stored() const {
  return model() == nullptr ? std::nan("") : model()->summary.sizes().comp_stored();
}

double ReportPoint::top1() const { return model() == nullptr ? std::nan("") : model()->summary.kept.top1; }

double ReportPoint::top1_before() const {
  if (runs.size() < 2) {
    return std::nan("");
  }
  const auto& before = runs[runs.size() - 2].summary;
  const auto file = fs::path(runs.back().summary.started_from).filename().string();
  return file == before.kept.file ? before.kept.top1 : before.final.top1;
}

double ReportPoint::seconds() const {
  return std::accumulate(runs.begin(), runs.end(), 0.0, [](double sum, const RunRecord& run) {
    return sum + (std::isfinite(run.summary.seconds) ? run.summary.seconds : 0);
  });
}

std::string ReportPoint::method() const {
  std::string text, last;
  for (const auto& run : runs) {
    const auto& method = run.summary.method;
    text += method == last ? "" : (text.empty() ? "" : " → ") + method;
    last = method;
  }
  return text.empty() ? "–" : text;
}

bool is_settled(const ReportPoint& point) {
  static const std::vector<std::string> ends = {"done", "failed", "trained", "stopped"};
  return std::find(ends.begin(), ends.end(), point.status) != ends.end();
}

Collection collect(const std::vector<std::string>& folders) {
  Collection all;
  std::vector<std::string> empty;
  for (const auto& folder : folders) {
    if (is_there(folder + "/results.json")) {
      try_collect_sweep(all, folder);
    } else if (is_run_folder(folder)) {
      collect_run(all, folder);
    } else if (!try_collect_runs_below(all, folder)) {
      empty.push_back(folder);
    }
  }
  for (const auto& folder : empty) {
    take_empty(all, folder);
  }
  join_followers(all.points);
  group_seeds(all);
  make_names_unique(all.points);
  return all;
}

}  // namespace bsq::cli
