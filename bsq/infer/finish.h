#pragma once

#include <cmath>
#include <cstdint>

#include "bsq/infer/plan.h"

namespace bsq::infer {

/// A sum that is NaN becomes the lower limit, as vector instructions have it.
inline float clamped(float y, const Finish& finish) {
  const float c = y > finish.low ? y : finish.low;
  return c < finish.high ? c : finish.high;
}

inline float finished(float y, const Finish& finish) {
  const float c = clamped(y, finish);
  return finish.rounds ? finish.step * std::nearbyint((c - finish.offset) * finish.per_step) + finish.offset
                       : c;
}

/// Of a finish whose value is codes.
inline int32_t code_of(float y, const Finish& finish) {
  return static_cast<int32_t>(std::nearbyint(clamped(y, finish) * finish.per_step));
}

}  // namespace bsq::infer
