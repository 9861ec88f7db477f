#pragma once

#include <string>
#include <vector>

#include "bsq/train/training_state.h"

namespace bsq {

/// The text of a run's log.txt: a line of column names, then one of numbers for each epoch, separated by
/// tabs.
std::string run_log_text(const std::vector<std::string>& columns, const std::vector<EpochRecord>& history);

}  // namespace bsq
