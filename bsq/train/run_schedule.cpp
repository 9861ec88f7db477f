#include "bsq/train/run_schedule.h"

#include "bsq/train/schedule.h"

namespace bsq {

StepSettings RunSchedule::settings(int64_t epoch, int64_t step, int64_t epochs) const {
  const StepSettings base = {options_.learning_rate, options_.momentum, options_.weight_decay};
  return method_.rate_factor(epoch)
             ? base
             : settings_at(options_.phases, base, {epoch * batches_ + step, batches_, epochs});
}

double RunSchedule::epoch_rate(int64_t epoch, int64_t epochs) const {
  if (const auto own = method_.rate_factor(epoch)) {
    return options_.learning_rate * *own;
  }
  if (!options_.phases.empty()) {
    return settings(epoch, /*step=*/0, epochs).learning_rate;
  }
  return options_.rate_schedule == RateSchedule::kStep
             ? learning_rate_at(epoch, options_.learning_rate, options_.gamma, options_.schedule)
             : options_.learning_rate;
}

double RunSchedule::rate_at(int64_t epoch, int64_t step, int64_t epochs) const {
  if (method_.rate_factor(epoch)) {
    return epoch_rate(epoch, epochs);
  }
  const int64_t since = epoch - method_.last_restart(epoch);
  const double warmup = warmup_factor(since * batches_ + step, options_.warmup);
  if (!options_.phases.empty()) {
    return settings(epoch, step, epochs).learning_rate * warmup;
  }
  const double falling = falling_rate(options_.rate_schedule, epoch * batches_ + step, epochs * batches_);
  return epoch_rate(epoch, epochs) * falling * warmup;
}

}  // namespace bsq
