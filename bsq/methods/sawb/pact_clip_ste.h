#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// round(min(x, alpha) s) / s, half to even, s = (2^bits - 1) / alpha (PACT, Choi et al., 2018, arXiv
/// 1805.06085, as BNFusionTrain computes it). Backward: dx = g where x < alpha, else 0; dalpha = sum of g
/// where x >= alpha; the scale passes no gradient. x comes from a ReLU: there is no clamp at 0, and a
/// negative number is rounded to a negative one. `alpha`: one number of float32 or float64; x may be bfloat16
/// too.
torch::Tensor pact_clip_ste(const torch::Tensor& x, const torch::Tensor& alpha, int64_t bits);

}  // namespace bsq
