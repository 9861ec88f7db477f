#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// clip(round(x), 0, R), half to even, R = 2^bits - 1: the integers themselves. Backward, straight through:
/// dx = g where 0 < x < R, else 0.
torch::Tensor fixed_map_ste(const torch::Tensor& x, int64_t bits);

/// What is added to alpha in the quotient below, as the published code has it.
constexpr double kAlphaEpsilon = 1e-6;

/// clip(round(x R / (alpha + 1e-6)), 0, R) alpha / R, half to even, R = 2^bits - 1 (PACT as the published
/// code has it). Backward, straight through: dx = g where 0 < x < alpha, else 0; dalpha = sum of g over x >
/// alpha. `alpha` is one positive number, float32 or float64, in whose type all is computed; x may be
/// bfloat16 too.
torch::Tensor pact_map_ste(const torch::Tensor& x, const torch::Tensor& alpha, int64_t bits);

}  // namespace bsq
