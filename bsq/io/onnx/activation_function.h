#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "bsq/quant/activation.h"

namespace bsq {

/// An ActivationRule on integers:
///   c = min(max(x, low), high), and with a grid y = value_step clamp(round(c / step), lowest, highest),
/// half to even; without one y = c.
struct ActivationFunction {
  /// As `lowest`: there is no smallest integer.
  static constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::min();
  struct Grid {
    double step = 1;        ///< from one integer to the next, in x
    double value_step = 1;  ///< the same in y; mostly the same number
    int64_t lowest = 0, highest = 0;
  };
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  std::optional<Grid> grid = {};
};

/// What an activation computes in evaluation with its tensors as they are. Throws std::invalid_argument with
/// the reason where that depends on the batch, or is no function of this form.
ActivationFunction function_of(const Activation& activation);

}  // namespace bsq
