#pragma once

#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that bsq_train can be told.
struct TrainOptions : SessionFlags {
  double penalty = 0;  ///< --decay where --L1 asks for the penalty, else 0
  int64_t adjustment_interval = 50;
  double threshold = 0;
  int64_t max_bits = 8;
  int64_t warmup = 0;
  bool is_float = false;
};

/// Throws UsageError, HelpRequest and, for files, bsq::Error.
TrainOptions parse_train_options(int argc, const char* const* argv);

}  // namespace bsq::cli
