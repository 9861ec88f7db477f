#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {

/// Converts a float tensor to `bits` bits (BSQ, equation 1): s = max|w|, R = round(|w| (2^n-1) / s), the
/// product first, half to even, in w's own type; positive weights' digits go to p, the others' to n. A tensor
/// of zeros has scale 0 and no digit. Throws std::invalid_argument for a type other than float32 and float64,
/// for a width outside [kMinBits, kMaxBits] and for a weight that is not finite.
BitPlanes to_bit_planes(const torch::Tensor& weight, int64_t bits);

}  // namespace bsq
