#include "bsq/train/schedule.h"

namespace bsq {

double learning_rate_at(int64_t epoch, double base, double gamma, const std::vector<int64_t>& milestones) {
  double rate = base;
  for (const int64_t milestone : milestones) {
    rate *= epoch >= milestone ? gamma : 1.0;
  }
  return rate;
}

double warmup_factor(int64_t step, int64_t warmup) {
  return step < warmup ? static_cast<double>(step + 1) / static_cast<double>(warmup) : 1.0;
}

}  // namespace bsq
