#pragma once

#include <functional>

#include "tools/cli/flags.h"

namespace bsq::cli {

/// Runs `work`; where memory runs out throws bsq::Error that names the batch sizes. A run's checkpoint is as
/// it was after the last save.
int with_memory_errors(const DataFlags& flags, const std::function<int()>& work);

}  // namespace bsq::cli
