#include "tools/sweep/plan.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <map>

#include "bsq/base/error.h"
#include "bsq/io/model_file.h"
#include "bsq_train/train_options.h"
#include "finetune/finetune_options.h"
#include "tools/cli/usage_error.h"
#include "tools/sweep/program_tables.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFirstBits = "8";

// Where a search of alpha begins: the published default, and one that moves bit widths with relative steps.
constexpr const char* kPublishedAlpha = "0.01";
constexpr const char* kRelativeAlpha = "1";

// Whether bsq_train begins with a model in bits; one that is trained first is float.
bool holds_bits(const std::string& model) {
  return !model.empty() && read_model(model).checkpoint.method != "float";
}

// A preset's options, then those of several sources, each over the one before, all under their own names.
Settings put_together(const std::string& program, std::initializer_list<Settings> sources) {
  Settings result;
  for (auto settings : sources) {
    settings.use_own_names(program);
    result.merge(settings);
  }
  return result;
}

// The values of one point that another does not have: "data a/b".
std::string own_values(const Job& job, const Job& other) {
  std::string text;
  for (const auto& pair : job.values) {
    if (std::find(other.values.begin(), other.values.end(), pair) == other.values.end()) {
      text += (text.empty() ? "" : ", ") + pair.first + " " + pair.second;
    }
  }
  return text;
}

}  // namespace

Plan::Plan(const SweepOptions& options) : options_(options), model_(options.model) {
  const bool begins_in_bits = holds_bits(options.model);
  if (begins_in_bits && !options.fixed.empty()) {
    throw Error(options.model + ": holds bits; expected a float network for --fixed-bits");
  }
  if (model_.empty()) {
    float_ = put_together("bsq_train", {Settings::read(options.preset + "-float.cfg"), options.both});
    model_ = options.folder + "/float/model_best.h5";
  }
  train_ =
      put_together("bsq_train", {Settings::read(options.preset + "-bsq.cfg"), options.both, options.train});
  // The same options serve a model in bits and a float one, which bsq_train converts.
  train_.set("bin", begins_in_bits ? "true" : "false");
  if (!train_.has("bits") && !begins_in_bits) {
    train_.set("bits", kFirstBits);
  }
  finetune_ = put_together(
      "finetune", {Settings::read(options.preset + "-finetune.cfg"), options.both, options.finetune});
}

std::optional<Job> Plan::float_training() const {
  if (!options_.model.empty()) {
    return std::nullopt;
  }
  auto settings = float_;
  settings.set("seed", seed_of(first_values()));
  Job job;
  job.name = "float";
  job.folder = options_.folder + "/float";
  job.stages = {{"bsq_train", job.folder, settings}};
  return job;
}

Stage Plan::finetuning(const Job& job, const std::string& model) const {
  auto settings = finetune_;
  settings.set("seed", seed_of(job.values));
  settings.set("model", model);
  return {"finetune", job.folder + "/finetune", settings};
}

Job Plan::point(const PointValues& values) const {
  Job job;
  job.values = values;
  job.name = name_of(values);
  job.folder = options_.folder + "/" + job.name;
  auto settings = train_;
  for (const auto& [axis, value] : values) {
    const auto name = ProgramTables::of("bsq_train").own_name(axis);
    if (name == "alpha") {  // a preset's size would take the place of what alpha gives
      for (const char* target : {"target-comp", "target-stored", "target-kb"}) {
        settings.remove(target);
      }
    }
    settings.set(name, value);
  }
  settings.set("model", model_);
  if (options_.snapshots) {
    settings.set("snapshots", "true");
  }
  job.stages = {{"bsq_train", job.folder + "/bsq", settings},
                finetuning(job, job.folder + "/bsq/checkpoint.h5")};
  return job;
}

// As finetuning with the schedule of bsq_train: the bit width stays, the weights train.
Job Plan::fixed_point(const std::string& bits, const std::string& seed) const {
  Job job;
  job.name = name_of({{"fixed", bits}, {"seed", seed}});
  job.folder = options_.folder + "/" + job.name;
  job.values = first_values();
  for (auto& [axis, value] : job.values) {
    value = axis == "seed" ? seed : "";
  }
  auto settings = train_;
  settings.keep_those_of("finetune");
  settings.set("bits", bits);
  settings.set("seed", seed);
  settings.set("model", model_);
  job.stages = {{"finetune", job.folder + "/fixed", settings},
                finetuning(job, job.folder + "/fixed/checkpoint.h5")};
  return job;
}

std::vector<Job> Plan::snapshots(const Job& point) const {
  std::map<int64_t, std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(point.folder + "/bsq/snapshots", error)) {
    const auto name = entry.path().filename().string();
    int64_t epoch = 0;
    if (std::sscanf(name.c_str(), "epoch-%" SCNd64 ".h5", &epoch) == 1 &&
        name == "epoch-" + std::to_string(epoch) + ".h5") {
      files[epoch] = entry.path().string();
    }
  }
  std::vector<Job> jobs;
  for (const auto& [epoch, file] : files) {
    Job job;
    job.values = point.values;
    job.values.emplace_back("snapshot", std::to_string(epoch));
    job.name = name_of(job.values);
    job.folder = options_.folder + "/" + job.name;
    job.stages = {finetuning(job, file)};
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::vector<Job> Plan::grid() const {
  std::vector<Job> jobs;
  for (const auto& values : expand(options_.axes)) {
    jobs.push_back(point(values));
  }
  const auto fixed = baselines();
  jobs.insert(jobs.end(), fixed.begin(), fixed.end());
  return jobs;
}

std::vector<Job> Plan::baselines() const {
  std::vector<Job> jobs;
  for (const auto& axis : options_.axes) {
    for (const auto& seed : axis.name == "seed" ? axis.values : std::vector<std::string>()) {
      for (const auto& bits : options_.fixed) {
        jobs.push_back(fixed_point(bits, seed));
      }
    }
  }
  return jobs;
}

double Plan::first_alpha() const {
  const bool is_published = train_.value("step-rule").value_or("") == "published";
  return std::atof(train_.value("alpha").value_or(is_published ? kPublishedAlpha : kRelativeAlpha).c_str());
}

PointValues Plan::first_values() const {
  PointValues values;
  for (const auto& axis : options_.axes) {
    values.emplace_back(axis.name, axis.values.front());
  }
  return values;
}

std::string Plan::seed_of(const PointValues& values) const {
  for (const auto& [axis, value] : values) {
    if (axis == "seed") {
      return value;
    }
  }
  return "1234";
}

void check_commands(const Job& job) {
  for (const auto& stage : job.stages) {
    const auto words = stage.command();
    std::vector<const char*> arguments;
    for (const auto& word : words) {
      arguments.push_back(word.c_str());
    }
    const int count = static_cast<int>(arguments.size());
    try {
      stage.program == "finetune" ? (void)parse_finetune_options(count, arguments.data())
                                  : (void)parse_train_options(count, arguments.data());
    } catch (const OptionError& error) {
      throw UsageError(stage.program + " of " + job.name + ": " + error.what());
    }
  }
}

void check_names(const std::vector<Job>& jobs) {
  std::map<std::string, const Job*> seen;
  for (const auto& job : jobs) {
    if (const auto [at, is_new] = seen.emplace(job.name, &job); !is_new) {
      throw UsageError(own_values(*at->second, job) + " and " + own_values(job, *at->second) +
                       " would share the folder " + job.name +
                       "; expected values that differ in letters, digits or . - +");
    }
  }
}

}  // namespace bsq::cli
