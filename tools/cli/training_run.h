#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bsq/train/adjustment_log.h"
#include "bsq/train/progress.h"
#include "bsq/train/trainer.h"
#include "tools/cli/event_log.h"
#include "tools/cli/run_folder.h"
#include "tools/cli/session.h"

namespace bsq::cli {

/// Whether SIGINT or SIGTERM has come since watch_signals(): 0, or 130 or 143, the exit status for it.
int stop_status();
/// From now on the first signal only asks to stop; a second SIGINT ends the program at once.
void watch_signals();

/// The trainer's options that bsq_train and finetune share.
TrainerOptions options_of(const TrainingFlags& flags, TrainingMethod method);

/// Reads the checkpoint.h5 of a run to resume: its network is that before the final adjustment where the run
/// had ended. Throws bsq::Error where it holds no training state.
Checkpoint read_interrupted(const std::string& path);

/// One training run of bsq_train or finetune: prints the record on stdout and progress on stderr, and keeps
/// the run folder: after every epoch checkpoint.h5 (resumable), log.txt and, for the best epoch,
/// model_best.h5; after every precision adjustment adjustments.csv.
class TrainingRun : public TrainerObserver {
 public:
  TrainingRun(Model& model, Data& data, RunFolder& folder, const TrainerOptions& options,
              const TrainingFlags& flags);
  ~TrainingRun() override = default;

  /// Takes up the training state of a file whose network is loaded.
  void resume(const TrainingState& state);
  /// Trains. True when all epochs are done; false after a signal, with the state saved.
  bool train();
  /// After train(): the final adjustment and evaluation; writes checkpoint.h5 with the final network and,
  /// beside it, the state before. Gives the final evaluation.
  Evaluation finish();

  /// Loads model_best.h5 into the network, where this run or the one it resumed wrote one.
  void load_best();
  /// The network as it is now, described; without training state.
  Checkpoint current_checkpoint(double top1) const;

  double best_top1() const { return trainer_.state().best_top1; }

  void on_epoch_start(int64_t epoch, int64_t steps, int64_t first_step) override;
  void on_step(int64_t step, double mean_loss, double top1) override;
  void on_adjusted(int64_t epoch) override;
  void on_epoch_end(const EpochReport& report) override;
  bool should_stop() override { return stop_status() != 0; }

 private:
  void save_resumable(double top1);
  void take_up_adjustments(const TrainingState& state);

  Model& model_;
  Data& data_;
  RunFolder& folder_;
  TrainerOptions options_;
  Progress progress_;
  Trainer trainer_;
  bool wants_events_;
  std::unique_ptr<EventLog> events_;
  std::vector<Adjustment> adjustments_;
};

}  // namespace bsq::cli
