#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/codes.h"

namespace bsq {

/// Converts a float tensor to sign and magnitude of `bits` bits (BSQ, equation 1): s = max|w|,
/// R = round(|w| (2^n-1) / s), the product first, half to even, in w's own type. A tensor of zeros has scale
/// 0 and no digit. Throws std::invalid_argument for a type other than float32 and float64, for a bit width
/// outside [kMinBits, kMaxBits] and for a weight that is not finite.
Codes to_codes(const torch::Tensor& weight, int64_t bits);

/// The same values without the digits that no weight has: leading ones first, then trailing ones; one digit
/// always stays. With k trailing digits dropped and n' left, the scale becomes ((s 2^k) (2^n'-1)) / (2^n-1),
/// each operation rounded in the scale's type (BSQ, section 3.3 at threshold 0). Codes that are not sign and
/// magnitude come back as they are.
Codes without_empty_digits(const Codes& codes);

/// Percent of the weights whose magnitude has a 1 in each digit, most significant first; shape (bits),
/// float64. Of codes that are not sign and magnitude, the digits of integer - low.
torch::Tensor percent_of_ones(const Codes& codes);

}  // namespace bsq
