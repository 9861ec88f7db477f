#pragma once

#include <cstdint>
#include <vector>

#include "bsq/train/distillation.h"
#include "bsq/train/phases.h"
#include "bsq/train/schedule.h"

namespace bsq {

struct TrainerOptions {
  int64_t epochs = 350;
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  std::vector<int64_t> schedule = {150, 225};
  double gamma = 0.1;
  RateSchedule rate_schedule = RateSchedule::kStep;  ///< what follows `schedule` and gamma: kStep alone
  /// Where there are any, they count in place of these three. They have no effect on a
  /// method that sets its own rate.
  std::vector<TrainingPhase> phases;
  /// Training batches from which statistics and ranges are estimated anew before each evaluation; 0: none,
  /// what training tracked counts.
  int64_t reestimate = 0;
  Distillation distillation;
  double average_decay = 0;    ///< of WeightAverage, which is what is evaluated and kept; 0: none
  double label_smoothing = 0;  ///< 0 to below 1, of the labels' part of the loss
  int64_t warmup = 0;  ///< steps over which the rate rises, at the start and where the method begins anew
  /// With several ranks: whether a batch's statistics (norms, ranges of activations) are of all ranks'
  /// images, as one process would have them. Else each rank normalizes its own images, and what evaluation
  /// uses is averaged after every step.
  bool shares_statistics = false;
  uint64_t seed = 0;  ///< of what a network draws in training (dropout), with several ranks
};

}  // namespace bsq
