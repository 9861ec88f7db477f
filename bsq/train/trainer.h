#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bsq/base/ranks.h"
#include "bsq/data/loader.h"
#include "bsq/methods/method.h"
#include "bsq/nn/network.h"
#include "bsq/train/evaluation.h"
#include "bsq/train/gradient_exchange.h"
#include "bsq/train/layer_watch.h"
#include "bsq/train/run_schedule.h"
#include "bsq/train/trainer_options.h"
#include "bsq/train/training_state.h"
#include "bsq/train/weight_average.h"

namespace bsq {

/// What one epoch gave.
struct EpochReport {
  int64_t epoch;
  double learning_rate;
  double train_loss;  ///< mean cross entropy
  double train_top1;
  Evaluation validation;
  std::vector<std::pair<std::string, double>> metrics;  ///< the method's own, in its order
  double comp, comp_stored;
  std::vector<LayerRecord> layers;  ///< tensors that hold bits, as the epoch left them
  double seconds;                   ///< of training, without evaluation
  double wait_percent;              ///< of those, spent waiting for batches
  bool is_best;
};

/// What a trainer tells, and asks, while it works. Default: nothing, and go on.
class TrainerObserver {
 public:
  virtual ~TrainerObserver() = default;
  virtual void on_epoch_start(int64_t /*epoch*/, int64_t /*steps*/, int64_t /*first_step*/) {}
  virtual void on_step(int64_t /*step*/, double /*mean_loss*/, double /*top1*/) {}
  /// After the method has put other weights in place (a precision adjustment): before this epoch, or at the
  /// end (epoch == epochs).
  virtual void on_adjusted(int64_t /*epoch*/) {}
  /// After evaluation; the trainer's state() is that between two epochs.
  virtual void on_epoch_end(const EpochReport& /*report*/) {}
  /// The ranks' networks had other bits at the end of this epoch, as kinds of processors make them; all go on
  /// with that of rank 0.
  virtual void on_ranks_apart(int64_t /*epoch*/) {}
  /// Asked after every step; true ends run() early, with state() inside the epoch.
  virtual bool should_stop() { return false; }
};

/// Trains a network by a method: for each epoch the learning rate, what the method does before it, the steps,
/// the evaluation. Knows methods only by their interface.
///
/// Where the thread that makes it has current_ranks(), they train together, each with its share of the
/// training loader's images: gradients are summed in buckets while the backward pass goes on, and each rank
/// makes the same step. What a method decides before an epoch and at the end is taken from rank 0, with the
/// whole network and the method's and the optimizer's state. All ranks call run() and finish(); they stop
/// after the same step.
class Trainer {
 public:
  /// The network is in the method's form: begin() or adopt() has been called. Throws std::invalid_argument
  /// for phases that do not begin one after the other.
  Trainer(std::shared_ptr<Network> network, Method& method, BatchLoader& training, BatchLoader& validation,
          const TrainerOptions& options, TrainerObserver& observer);

  /// Begins at this epoch instead of 0.
  void start_at(int64_t epoch) { state_.next_epoch = epoch; }
  /// Takes up an interrupted run whose network is loaded already. Throws bsq::Error where the state is not
  /// one of such a run.
  void resume(const TrainingState& state);
  /// Trains from the current epoch to the last one. False where the observer stopped it. Throws
  /// DivergenceError for a loss that is not finite, naming the step and the layer, and for a validation loss
  /// or metric that is not.
  bool run();
  /// Brings the network into the method's final form. True where that has changed it.
  bool finish();

  /// State from which resume() goes on; `network` in it is empty. With an average of weights the network
  /// holds the average between epochs, and the state what is trained; within an epoch it is the other way
  /// round.
  TrainingState state() const;
  const TrainerOptions& options() const { return options_; }
  /// The learning rate of a step, both counted from 0, in a run of so many epochs with these options.
  double rate_at(int64_t epoch, int64_t step, int64_t epochs) const {
    return state_.rate_factor * schedule_.rate_at(epoch, step, epochs);
  }

 private:
  /// What one batch came to, over all ranks.
  struct StepResult {
    double loss = 0, correct = 0, images = 0;  ///< loss: the sum over the images
    bool is_finite = true;
    bool wants_stop = false;
  };
  struct Sums {
    double loss = 0, correct = 0, images = 0, steps = 0, seconds = 0, waited = 0;
    StepSums method;
  };

  bool run_epoch(int64_t epoch);
  StepResult train_batch(const Batch& batch);
  StepResult over_ranks(const StepResult& own) const;
  void backward(const torch::Tensor& loss, const torch::Tensor& term, double share);
  bool all_stop();
  void draw_for(int64_t step) const;
  void take_from_first(int64_t begun_step);
  void take_final();
  [[noreturn]] void fail_on_loss(double own_loss, const Batch& batch);
  void follow_phases(int64_t step);
  void make_optimizer();
  void begin_records();
  void use_average(bool is_used);
  Slots trainer_slots() const;
  Slots own_slots() const;
  void check_record(int64_t epoch, const std::string& name, double value) const;
  void end_epoch(int64_t epoch);

  std::shared_ptr<Network> network_;
  Method& method_;
  BatchLoader& training_;
  BatchLoader& validation_;
  TrainerOptions options_;
  RunSchedule schedule_;
  TrainerObserver& observer_;
  std::unique_ptr<Optimizer> optimizer_;
  StepSettings made_with_;  ///< what optimizer_ has of momentum and weight decay
  TrainingState state_;
  Sums sums_;
  LayerWatch watch_;
  std::optional<WeightAverage> average_;
  bool is_average_used_ = false;  ///< between epochs, where the network holds the average
  Ranks* ranks_;                  ///< null: one process
  std::unique_ptr<GradientExchange> exchange_;
};

}  // namespace bsq
