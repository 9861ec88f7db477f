#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// a = S round(x (2^k - 1) / S) / (2^k - 1), half to even, of x in [0, S] (DoReFa's uniform quantizer with a
/// range); x above the range saturates at it. `range` is one number; below kSmallestRange
/// gives 0, NaN gives NaN. No gradient.
torch::Tensor quantize_unsigned(const torch::Tensor& x, int64_t bits, const torch::Tensor& range);

/// quantize_unsigned() whose gradient passes straight through: da/dx = 1, the range is a constant.
torch::Tensor quantize_unsigned_ste(const torch::Tensor& x, int64_t bits, const torch::Tensor& range);

/// PACT (Choi et al., 2018, arXiv 1805.06085): y = min(max(x, 0), alpha), alpha one trainable number.
/// Backward: dL/dx = g [0 <= x <= alpha], dL/dalpha = sum(g [x >= alpha]).
torch::Tensor pact_ste(const torch::Tensor& x, const torch::Tensor& alpha);

}  // namespace bsq
