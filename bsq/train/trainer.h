#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bsq/data/loader.h"
#include "bsq/nn/network.h"
#include "bsq/train/evaluation.h"
#include "bsq/train/optimizer.h"
#include "bsq/train/training_state.h"

namespace bsq {

/// What a run trains: float weights, bit planes with the penalty, or the values of a frozen scheme.
enum class TrainingMethod { kFloat, kBits, kFinetune };

struct TrainerOptions {
  TrainingMethod method = TrainingMethod::kBits;
  int64_t epochs = 350;
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::vector<int64_t> schedule = {150, 225};
  double gamma = 0.1;
  double penalty = 0;                ///< alpha; kBits only
  int64_t adjustment_interval = 50;  ///< Prun_Int: epochs between precision adjustments; kBits only
  double threshold = 0;              ///< --thre, percent
  int64_t max_bits = 8;
  int64_t warmup = 0;  ///< steps over which the rate rises, at the start and after every adjustment
};

/// What one epoch gave.
struct EpochReport {
  int64_t epoch;
  double learning_rate;
  double train_loss;  ///< mean cross entropy
  double train_top1;
  Evaluation validation;
  double penalty;  ///< mean over the steps, without alpha
  double comp, comp_stored;
  double seconds;       ///< of training, without evaluation
  double wait_percent;  ///< of those, spent waiting for batches
  bool is_best;
};

/// What a trainer tells, and asks, while it works. Default: nothing, and go on.
class TrainerObserver {
 public:
  virtual ~TrainerObserver() = default;
  virtual void on_epoch_start(int64_t /*epoch*/, int64_t /*steps*/, int64_t /*first_step*/) {}
  virtual void on_step(int64_t /*step*/, double /*mean_loss*/, double /*top1*/) {}
  /// After re-quantization and precision adjustment: at an interval, or the final one (epoch == epochs).
  virtual void on_adjusted(int64_t /*epoch*/) {}
  /// After evaluation; the trainer's state() is that between two epochs.
  virtual void on_epoch_end(const EpochReport& /*report*/) {}
  /// Asked after every step; true ends run() early, with state() inside the epoch.
  virtual bool should_stop() { return false; }
};

/// Trains a network: the loop of BSQ (learning rate, then adjustment when epoch % interval == 0, then the
/// epoch), and of float training and finetuning, which are the same without the adjustment.
class Trainer {
 public:
  /// The network's representation has to be the method's: float, bits or frozen; std::logic_error otherwise.
  Trainer(std::shared_ptr<Network> network, BatchLoader& training, BatchLoader& validation,
          const TrainerOptions& options, TrainerObserver& observer);

  /// Begins at this epoch instead of 0.
  void start_at(int64_t epoch) { state_.next_epoch = epoch; }
  /// Takes up an interrupted run whose network is loaded already. Throws bsq::Error where the state is not
  /// one of such a run.
  void resume(const TrainingState& state);
  /// Trains from the current epoch to the last one. False where the observer stopped it. Throws
  /// DivergenceError for a loss that is not finite, naming the step and the layer.
  bool run();
  /// kBits: the final re-quantization and adjustment at threshold 0. The rest: nothing.
  void finish();

  /// State from which resume() goes on; `network` in it is empty.
  TrainingState state() const;
  const TrainerOptions& options() const { return options_; }

 private:
  struct Sums {
    double loss = 0, correct = 0, images = 0, penalty = 0, steps = 0, seconds = 0, waited = 0;
  };

  bool run_epoch(int64_t epoch);
  void train_batch(const Batch& batch);
  double step_rate(int64_t step) const;
  void adjust(int64_t epoch, double threshold);
  void make_optimizer();
  void end_epoch(int64_t epoch);

  std::shared_ptr<Network> network_;
  BatchLoader& training_;
  BatchLoader& validation_;
  TrainerOptions options_;
  TrainerObserver& observer_;
  std::unique_ptr<BsqOptimizer> optimizer_;
  TrainingState state_;
  Sums sums_;
};

}  // namespace bsq
