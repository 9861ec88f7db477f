#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// a = S round(min(x, S) (2^k - 1) / S) / (2^k - 1) of one number, in its own type.
template <typename T>
T slow_quantize(T x, int64_t bits, T range) {
  const T levels = static_cast<T>(std::ldexp(1.0, static_cast<int>(bits)) - 1);
  const T clipped = std::min(x, range);
  return range > 0 ? std::nearbyint(clipped * levels / range) * range / levels : T(0);
}

/// The same of every element, in order.
template <typename T>
std::vector<T> slow_quantize(const torch::Tensor& x, int64_t bits, T range) {
  auto values = values_of<T>(x);
  for (T& value : values) {
    value = slow_quantize(value, bits, range);
  }
  return values;
}

}  // namespace bsq::test
