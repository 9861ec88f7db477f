#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {

// Changes of planes that keep what lies between the integers: training goes on where it was.

/// Planes of real numbers v, |v| <= 2^n - 1/2: the digits of round(v), and what rounding took off in the
/// least significant plane. Larger numbers saturate. The scale's type is the planes' type.
BitPlanes planes_of_reals(const torch::Tensor& values, int64_t bits, const torch::Tensor& scale);

/// The same numbers, digits anew, as many planes as before.
BitPlanes renewed(const BitPlanes& planes);
/// renewed(), with one plane more where the largest integer needs it.
BitPlanes widened_if_needed(const BitPlanes& planes);
/// adjust_precision() by the digits of the integers: most significant planes without a digit, or with digits
/// in less than `threshold_percent` of the weights, go first, then least significant ones at or below it.
/// Numbers are rounded to the coarser grid. One plane always stays. `planes` are renewed ones.
BitPlanes adjust_real(const BitPlanes& planes, double threshold_percent);
/// One plane less: numbers are halved. At least two planes are needed.
BitPlanes without_least_significant(const BitPlanes& planes);
/// One plane less: numbers beyond the smaller range saturate. At least two planes are needed.
BitPlanes without_most_significant(const BitPlanes& planes);

}  // namespace bsq
