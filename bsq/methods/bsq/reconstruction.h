#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// q = sum_b (p_b - n_b) 2^(n-1-b) / (2^n - 1), what the planes (n, *shape) stand for before rounding and
/// scaling.
torch::Tensor plane_value(const torch::Tensor& positive, const torch::Tensor& negative);

/// Q = sign(q) round(min(|q|, 1) (2^n - 1)) / (2^n - 1), half to even: the value that the forward pass uses.
torch::Tensor round_value(const torch::Tensor& q, int64_t bits);

/// round_value() whose gradient passes straight through clamp and rounding: dL/dq = dL/dQ.
torch::Tensor round_value_ste(const torch::Tensor& q, int64_t bits);

/// W = s Q of planes (BSQ, equation 3). Backward, straight through: dL/dp_b = dL/dW s 2^(n-1-b) / (2^n - 1),
/// dL/dn_b = minus that, dL/ds = sum(dL/dW Q).
torch::Tensor reconstruct_ste(const torch::Tensor& positive, const torch::Tensor& negative,
                              const torch::Tensor& scale);

}  // namespace bsq
