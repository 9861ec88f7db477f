#pragma once

#include <torch/types.h>

#include <cmath>
#include <vector>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// mean|h|, one number after the other.
inline double slow_scale(const std::vector<double>& hidden) {
  double sum = 0;
  for (const double h : hidden) {
    sum += std::abs(h);
  }
  return sum / static_cast<double>(hidden.size());
}

/// The loop of one weight: its next sign, 1 or -1.
inline int slow_loop(int sign, double hidden, double limit) {
  if (sign < 0 && hidden > 0 && hidden >= limit) {
    return 1;
  }
  if (sign > 0 && hidden < 0 && hidden <= -limit) {
    return -1;
  }
  return sign;
}

/// The published rule of one weight.
inline double slow_published(double before, double after, double threshold, double scale) {
  if (before > 0 && after > 0) return scale;
  if (before < 0 && after < 0) return -scale;
  if (before < 0 && after > 0 && after >= threshold) return scale;
  if (before > 0 && after < 0 && after <= -threshold) return -scale;
  return after * scale;
}

}  // namespace bsq::test
