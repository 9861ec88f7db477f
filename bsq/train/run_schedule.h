#pragma once

#include <cstdint>

#include "bsq/methods/method.h"
#include "bsq/train/phases.h"
#include "bsq/train/trainer_options.h"

namespace bsq {

/// Learning rate, momentum and weight decay of every step of a run. Epochs and steps of an epoch are counted
/// from 0; `epochs` is the length of the run that is asked about, which may be another than the options'.
class RunSchedule {
 public:
  /// `batches`: steps of an epoch. Options and method outlive it.
  RunSchedule(const TrainerOptions& options, const Method& method, int64_t batches)
      : options_(options), method_(method), batches_(batches) {}

  /// What the phases give; the options where the method sets its own rate.
  StepSettings settings(int64_t epoch, int64_t step, int64_t epochs) const;
  /// The rate with which an epoch begins, without warm-up and without what falls per step.
  double epoch_rate(int64_t epoch, int64_t epochs) const;
  /// The rate of a step.
  double rate_at(int64_t epoch, int64_t step, int64_t epochs) const;

 private:
  const TrainerOptions& options_;
  const Method& method_;
  int64_t batches_;
};

}  // namespace bsq
