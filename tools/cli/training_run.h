#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bsq/train/progress.h"
#include "bsq/train/trainer.h"
#include "tools/cli/adjustment_record.h"
#include "tools/cli/event_log.h"
#include "tools/cli/layer_log.h"
#include "tools/cli/resumable.h"
#include "tools/cli/run_folder.h"
#include "tools/cli/session.h"
#include "tools/cli/signals.h"
#include "tools/cli/summary_writer.h"

namespace bsq::cli {

/// The trainer's options that bsq_train and finetune share.
TrainerOptions options_of(const TrainingFlags& flags);

/// One training run of bsq_train or finetune: prints the record on stdout and progress on stderr, and keeps
/// the run folder: before the first epoch, after every epoch and every --checkpoint-steps steps checkpoint.h5
/// (resumable), after every epoch log.txt and, for the best one, model_best.h5, after every precision
/// adjustment adjustments.csv, after every epoch of a network in bits layers.csv. What cannot be written
/// during the run is said and tried again at the next save; the checkpoint does not wait for the texts beside
/// it. After a loss that is not finite it goes back to the last checkpoint with --on-nan rollback.
class TrainingRun : public TrainerObserver {
 public:
  TrainingRun(Model& model, Method& method, Data& data, RunFolder& folder, const TrainerOptions& options,
              const TrainingFlags& flags, SummaryWriter& summary);
  ~TrainingRun() override = default;

  /// Takes up the training state of a file whose network is loaded, and model_best.h5. Throws bsq::Error.
  void resume(const Resumable& found);
  /// Trains. True when all epochs are done, false after a signal. Throws bsq::Error where nothing can be
  /// saved before the first epoch, and where the loss is not finite and there is no going back.
  bool train();
  /// Whether the last save went well.
  bool is_saved() const { return is_saved_; }
  /// Whether what belongs beside the checkpoint is written too: log.txt, adjustments.csv, summary.json, event
  /// files.
  bool is_complete() const;
  /// After train(): the final adjustment and evaluation; writes checkpoint.h5 with the final network and,
  /// beside it, the state before. Gives the final evaluation.
  Evaluation finish();
  /// A file that was written after finish() is the model to use.
  void keep(const std::string& file, const Checkpoint& model, const Evaluation& evaluation) {
    summary_.keep(file, model, evaluation);
  }
  /// Last of all: the summary of a run that is done.
  void conclude() { write_summary(RunStatus::kDone); }

  /// Loads model_best.h5 into the network, where this run or the one it resumed wrote one.
  void load_best();
  /// The network as it is now, described; without training state.
  Checkpoint current_checkpoint(double top1) const;

  double best_top1() const { return trainer_.state().best_top1; }

  void on_epoch_start(int64_t epoch, int64_t steps, int64_t first_step) override;
  void on_step(int64_t step, double mean_loss, double top1) override;
  void on_adjusted(int64_t epoch) override;
  void on_epoch_end(const EpochReport& report) override;
  void on_ranks_apart(int64_t epoch) override;
  bool should_stop() override { return stop_status() != 0; }

 private:
  using Position = std::pair<int64_t, int64_t>;  // epoch and step to train next

  Position position() const;
  void take_up(TrainingState state, const std::string& path);
  void require_finite() const;
  bool attempt(const std::function<void()>& write, const char* consequence);
  void print_epoch(const EpochReport& report) const;
  std::string progress_note(int64_t step, double mean_loss, double top1) const;
  void restore_folder();
  void write_pending();
  void write_snapshots();
  void write_resumable(double top1);
  void write_summary(RunStatus status);
  void save(double top1);
  Resumable last_good(const std::string& why) const;
  void roll_back(const std::string& why);

  Model& model_;
  Method& method_;
  Data& data_;
  RunFolder& folder_;
  TrainerOptions options_;
  TrainingFlags flags_;
  SummaryWriter& summary_;
  Progress progress_;
  Trainer trainer_;
  bool wants_events_;
  std::unique_ptr<EventLog> events_;
  AdjustmentRecord adjustments_;
  LayerLog layers_;
  int64_t steps_ = 0;       // of an epoch
  int64_t epoch_ = 0;       // the one that is trained
  int64_t steps_done_ = 0;  // by this process, in seconds since start_
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::optional<EpochReport> last_;  // of this process
  double comp_ = 1;
  std::optional<Checkpoint> best_;           // kept for a folder that somebody removes
  std::map<int64_t, Checkpoint> snapshots_;  // by epoch, that are still to be written
  bool best_is_pending_ = false;
  bool log_is_pending_ = false;
  bool adjustments_are_pending_ = false;
  bool layers_are_pending_ = false;
  bool summary_is_pending_ = false;
  bool is_saved_ = false;
  Position saved_position_ = {-1, -1};
};

}  // namespace bsq::cli
