#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// The points of DuQ: integers low..levels over `levels`. Weights of n bits: -(2^(n-1)-1)..2^(n-1)-1;
/// activations: 0..2^n-1.
struct DuqGrid {
  int64_t low, levels;
};

DuqGrid duq_weight_grid(int64_t bits);
DuqGrid duq_activation_grid(int64_t bits);

/// softplus(v) = log(1 + e^v), and v itself above 20: what DuQ's stored numbers stand for.
torch::Tensor duq_softplus(const torch::Tensor& stored);

/// The number whose softplus is `value`, which is positive: ln(e^value - 1).
double duq_inverse_softplus(double value);

/// round(clamp(x / softplus(a), low / levels, 1) levels), half to even: integers, in the type of `a`. No
/// gradient.
torch::Tensor duq_integers(const torch::Tensor& x, const torch::Tensor& a, const DuqGrid& grid);

/// DuQ (Park, Yoo, "PROFIT", ECCV 2020, arXiv 2008.04693): C q with A = softplus(a), C = softplus(c),
/// q = duq_integers(x, a) / levels. `a` and `c` hold one number each, or one for each output channel (first
/// axis of x), in float32 or float64, in whose type all is computed; x may be bfloat16 too.
///
/// Backward, straight through the rounding; the clamp passes strictly inside, I = [low / levels < x / A < 1]:
///     dx = g C I / A, da = -sum(g C I x) / A^2 sigmoid(a), dc = sum(g q) sigmoid(c).
torch::Tensor duq_ste(const torch::Tensor& x, const torch::Tensor& a, const torch::Tensor& c,
                      const DuqGrid& grid);

}  // namespace bsq
