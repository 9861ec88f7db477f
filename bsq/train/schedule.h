#pragma once

#include <cstdint>
#include <vector>

namespace bsq {

/// The step schedule: `base` times gamma for every milestone that is at or before `epoch` (counted from 0).
double learning_rate_at(int64_t epoch, double base, double gamma, const std::vector<int64_t>& milestones);

/// How the learning rate falls.
enum class RateSchedule {
  kStep,    ///< by gamma at given epochs: learning_rate_at()
  kCosine,  ///< (1 + cos(pi t)) / 2 (Loshchilov, Hutter, "SGDR", 2017, without restarts), per step
  kLinear,  ///< 1 - t, per step
};

/// What step `step`, counted from 0, of `steps` multiplies the learning rate by: t = step / steps; 1 for
/// kStep.
double falling_rate(RateSchedule schedule, int64_t step, int64_t steps);

/// Linear warm-up (Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2): what step `step`,
/// counted from 0, multiplies the learning rate by. (step + 1) / warmup in the first `warmup` steps, then 1.
double warmup_factor(int64_t step, int64_t warmup);

}  // namespace bsq
