#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/train/training_state.h"

namespace bsq {

/// The history of a run as log.txt holds it.
struct RunLog {
  std::vector<std::string> columns;  ///< without the epoch's
  int64_t first_epoch = 0;           ///< of the first line of numbers
  std::vector<EpochRecord> history;  ///< a line for each epoch
};

/// The text of log.txt: a line of column names, then one of numbers for each epoch, separated by tabs. The
/// columns that the published code writes come first, then `Epoch`, then ours.
std::string run_log_text(const RunLog& log);
/// The same as comma-separated values, as pandas reads them: `epoch`, then the columns in the log's order,
/// their names in lower case with underscores (`valid_acc`).
std::string run_log_csv(const RunLog& log);
/// Reads log.txt back; logs of older versions have no `Epoch` (taken for 0 and up) and a tab at the end of
/// each line. Throws bsq::Error that names `from` for any other text, and for one of more than 1000 columns
/// or some 6 million numbers.
RunLog parse_run_log(const std::string& text, const std::string& from);

/// The log of a run at this state.
RunLog run_log_of(const TrainingState& state);

}  // namespace bsq
