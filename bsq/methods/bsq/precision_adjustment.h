#pragma once

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {

/// Drops the planes that a tensor does not need (BSQ, section 3.3). `planes` must be binary.
///
/// At threshold 0, most significant planes without a non-zero digit p - n go, then least significant ones; no
/// weight changes its value, one plane always stays. With k least significant planes dropped and n' left, the
/// scale becomes
/// ((s 2^k) (2^n'-1)) / (2^n-1), each operation rounded in the scale's type.
///
/// At threshold t (percent of the weights that have a non-zero digit in a plane, 0 <= t < 100), a most
/// significant plane below t goes too and its weights saturate: 1 in every plane left, of the plane set that
/// held the digit. Then, recounted, least significant planes at t or below go, their digits lost. Differs
/// from the published code where that leaves digits of 2 or forgets all but the last dropped plane's weights:
/// here all saturate at 1. Throws std::invalid_argument for another threshold.
BitPlanes adjust_precision(const BitPlanes& planes, double threshold_percent);

/// Whether no plane has a non-zero digit: a layer of 0 bits once its scheme is frozen.
bool is_all_zero(const BitPlanes& planes);

/// Percent of the weights whose digit p - n is not zero, plane by plane, most significant first; shape (n),
/// float64.
torch::Tensor percent_of_ones(const BitPlanes& planes);

}  // namespace bsq
