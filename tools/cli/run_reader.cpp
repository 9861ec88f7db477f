#include "tools/cli/run_reader.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"
#include "tools/cli/folder_lock.h"
#include "tools/cli/ini.h"
#include "tools/cli/model_cost.h"
#include "tools/cli/resumable.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFrozen = "frozen";
constexpr const char* kFrozenModel = "best_bin.h5";
constexpr const char* kBestModel = "model_best.h5";
constexpr size_t kMostConfigurationBytes = size_t{1} << 20;

RunStatus status_of(const std::string& folder, bool is_over) {
  return is_over ? RunStatus::kDone : is_locked(folder) ? RunStatus::kRunning : RunStatus::kStopped;
}

// A run that is resumed with more epochs says so in config.cfg first.
std::string configuration_of(const std::string& folder, const Checkpoint& last) {
  return run_configuration(folder).value_or(last.configuration);
}

std::string option_in(const std::string& configuration, const std::string& name, const std::string& from) {
  const auto pairs = parse_ini(configuration, from);
  const auto at =
      std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == name; });
  return at == pairs.end() ? "" : at->second;
}

// Runs of older versions: bsq_train ends with the final adjustment, which leaves the network before it in the
// state; finetune with best_bin.h5.
bool has_end(const std::string& folder, const Checkpoint& last) {
  if (last.method == "bsq") {
    return !last.training->network.empty();
  }
  return last.method != kFrozen || is_there(folder + "/" + kFrozenModel);
}

// The best epoch of a float run is what sweeps go on from. Before there is one the file is an earlier run's.
bool is_best_wanted(const Checkpoint& last) {
  return last.method == "float" && last.training && last.training->best_epoch >= 0;
}

std::string model_to_use(const std::string& folder, const std::optional<Resumable>& last) {
  if (is_there(folder + "/" + kFrozenModel)) {
    return kFrozenModel;
  }
  const bool has_best = is_there(folder + "/" + kBestModel);
  return last && !(has_best && is_best_wanted(last->file)) ? fs::path(last->path).filename().string()
                                                           : kBestModel;
}

// Of a model without a run's state.
void take_origin(RunSummary& summary, const Checkpoint& model, bool is_finetuned) {
  const bool is_float = model.method == "float";
  summary.program = is_finetuned ? "finetune" : is_float ? "bsq_train" : "convert";
  summary.method = is_finetuned ? "frozen" : is_float ? "float" : "converted";
}

void take_progress(DerivedRun& run, const std::string& folder, const Checkpoint& last) {
  auto& summary = run.summary;
  run.state = last.training;
  const auto configuration = configuration_of(folder, last);
  summary.started_from = option_in(configuration, "model", folder);
  summary.precision = option_in(configuration, "precision", folder);
  const auto held_out = option_in(configuration, "val-split", folder);
  if (!last.training) {
    take_origin(summary, last, is_there(folder + "/" + kFrozenModel));
    return;
  }
  take_training(summary, *last.training);
  summary.best.split = held_out.empty() || held_out == "0" ? "test" : "validation";
  summary.epochs = std::max(0LL, std::atoll(option_in(configuration, "epochs", folder).c_str()));
  summary.program = last.method == kFrozen ? "finetune" : "bsq_train";
  summary.method = last.method;
  summary.final = {"checkpoint.h5", last.epoch, last.top1, std::nan(""), ""};
  const bool is_over = has_end(folder, last) && summary.epochs_done >= summary.epochs;
  summary.status = status_of(folder, is_over);
}

}  // namespace

std::optional<std::string> run_configuration(const std::string& folder) {
  const auto path = folder + "/config.cfg";
  if (!is_there(path)) {
    return std::nullopt;
  }
  return read_text_file(path, kMostConfigurationBytes, "a run's configuration");
}

bool is_run_folder(const std::string& folder) {
  const auto has = [&](const std::string& name) { return is_there(folder + "/" + name); };
  return has_summary(folder) || has(kFrozenModel) || has(kBestModel) || holds_state(folder);
}

RunSummary read_run_summary(const std::string& folder) {
  auto summary = read_summary(folder);
  if (summary.status == RunStatus::kRunning) {
    summary.status = status_of(folder, /*is_over=*/false);
  }
  return summary;
}

DerivedRun derive_run(const std::string& folder) {
  const auto last = holds_state(folder) ? std::optional(read_resumable(folder)) : std::nullopt;
  const auto file = model_to_use(folder, last);
  DerivedRun run;
  run.note = last ? last->note : "";
  const bool is_last = last && fs::path(last->path).filename() == file;
  run.model = is_last ? last->file : read_checkpoint(folder + "/" + file);
  take_progress(run, folder, last ? last->file : run.model);
  take_model_and_cost(run.summary, run.model);
  const double loss = is_last ? run.summary.metric("Valid Loss") : run.summary.best.loss;
  run.summary.kept = {file, run.model.epoch, run.model.top1, loss, ""};
  return run;
}

RunSummary summary_of_run(const std::string& folder) {
  return has_summary(folder) ? read_run_summary(folder) : derive_run(folder).summary;
}

}  // namespace bsq::cli
