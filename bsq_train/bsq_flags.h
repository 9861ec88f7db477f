#pragma once

#include <cstdint>

#include "bsq/base/options.h"

namespace bsq::cli {

/// What BSQ can be told.
struct BsqFlags {
  double alpha = 0;  ///< strength of the penalty
  int64_t adjustment_interval = 50;
  double threshold = 0;
  int64_t max_bits = 8;
};

/// Adds the options that fill these flags.
void add_options(OptionTable& table, BsqFlags& flags);

}  // namespace bsq::cli
