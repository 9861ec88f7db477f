#pragma once

#include <cstdint>
#include <vector>

namespace bsq {

/// The step schedule: `base` times gamma for every milestone that is at or before `epoch` (counted from 0).
double learning_rate_at(int64_t epoch, double base, double gamma, const std::vector<int64_t>& milestones);

}  // namespace bsq
