#include "bsq/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace bsq {

double learning_rate_at(int64_t epoch, double base, double gamma, const std::vector<int64_t>& milestones) {
  double rate = base;
  for (const int64_t milestone : milestones) {
    rate *= epoch >= milestone ? gamma : 1.0;
  }
  return rate;
}

double falling_rate(RateSchedule schedule, int64_t step, int64_t steps) {
  constexpr double kPi = 3.14159265358979323846;
  const double part =
      std::min(static_cast<double>(step) / static_cast<double>(std::max<int64_t>(steps, 1)), 1.0);
  switch (schedule) {
    case RateSchedule::kStep:
      return 1;
    case RateSchedule::kCosine:
      return (1 + std::cos(kPi * part)) / 2;
    case RateSchedule::kLinear:
      return 1 - part;
  }
  return 1;
}

double warmup_factor(int64_t step, int64_t warmup) {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup) : 1.0;
}

}  // namespace bsq
