#pragma once

#include <cstdint>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {

/// Turns real-valued planes into binary ones (BSQ, section 3.3): R = round(|q| (2^n-1)), its digits to p
/// where q is positive, to n where it is negative. Where the largest R needs one bit more, the tensor gets
/// it, with the scale (s (2^(n+1)-1)) / (2^n-1), unless n is `max_bits` already: then R is clipped to 2^n-1.
BitPlanes requantize(const BitPlanes& planes, int64_t max_bits);

}  // namespace bsq
