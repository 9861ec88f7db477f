#pragma once

#include <torch/types.h>

#include <cmath>
#include <vector>

#include "bsq/methods/profit/duq_ste.h"

namespace bsq::test {

inline double slow_softplus(double v) { return v > 20 ? v : std::log1p(std::exp(v)); }

/// DuQ of one number, by the formulas of duq_ste.h: its value, and what it gives dx, da and dc for a gradient
/// of 1.
struct SlowDuq {
  SlowDuq(double x, double a, double c, const DuqGrid& grid) {
    const double clip = slow_softplus(a), range = slow_softplus(c), u = x / clip;
    const auto levels = static_cast<double>(grid.levels);
    const double low = static_cast<double>(grid.low) / levels;
    const double q = std::nearbyint(std::fmin(std::fmax(u, low), 1) * levels) / levels;
    value = q * range;
    const double inside = low < u && u < 1 ? 1 : 0;
    dx = range * inside / clip;
    da = -range * inside * x / (clip * clip) / (1 + std::exp(-a));
    dc = q / (1 + std::exp(-c));
  }

  double value = 0, dx = 0, da = 0, dc = 0;
};

}  // namespace bsq::test
