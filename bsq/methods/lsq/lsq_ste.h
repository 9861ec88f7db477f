#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// The integers that LSQ rounds to: low..high. Weights: -2^(n-1)..2^(n-1)-1; activations: 0..2^n-1.
struct LsqGrid {
  int64_t low, high;
};

/// The smallest step: the optimizer's clamp keeps steps positive.
constexpr double kSmallestStep = 1e-8;

/// s round(clamp(x / s, low, high)), half to even (LSQ, equations 1 and 2). Backward, straight through
/// (equations 3 and 5), with v = x / s: dx = g where low < v < high, else 0; ds = sum of g times round(v) - v
/// within, low or high outside, times 1 / sqrt(N high). N is `numel`: the weights of a layer, or the features
/// of one image. `step` is one positive number in float32 or float64, in whose type all is computed; x may be
/// bfloat16 too.
torch::Tensor lsq_ste(const torch::Tensor& x, const torch::Tensor& step, const LsqGrid& grid, int64_t numel);

/// Where the step starts: 2 mean|x| / sqrt(high) (LSQ, section 2.1), at least kSmallestStep.
double lsq_start(const torch::Tensor& x, const LsqGrid& grid);

}  // namespace bsq
