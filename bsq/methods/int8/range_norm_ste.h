#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/nn/gradient_quantizer.h"

namespace bsq {

/// Into how many chunks Range BN cuts M values of a channel: the largest divisor of M that is at most `most`
/// and leaves chunks of 2 values or more. (The published code needs M to be a multiple of 16.) Throws
/// std::invalid_argument for less than 2 values, and where only chunks of 1 value would be left.
int64_t range_chunks(int64_t values, int64_t most);

/// C(n) = 0.175 (1 + sqrt(pi ln 4)) / sqrt(2 ln n), n >= 2 the length of a chunk: what makes a standard
/// deviation of the expected range of n Gaussian numbers. The paper has 1 / sqrt(2 ln n), about twice as
/// much.
double range_constant(int64_t length);

/// What one batch gives; both (C), without a gradient, in the type that is computed in.
struct RangeNormResult {
  torch::Tensor value, mean, sigma;
};

/// Range BN in training (Banner et al., section 3). Of each channel of x, (B, C) or (B, C, H, W), the M
/// values in the order of images and pixels are cut into k = range_chunks(M, most_chunks) chunks of n = M /
/// k:
///     sigma = C(n) (mean over chunks of max - mean over chunks of min),
///     y = (x - mean) / (sigma + eps) gamma + beta.
/// Backward, with g the gradient that arrives, or what `gradient` makes of it (one for all), u = gamma g /
/// (sigma + eps) and dsigma = -sum(gamma g (x - mean)) / (sigma + eps)^2: dx = u - mean(u), plus (minus)
/// dsigma C(n) / k at the first maximum (minimum) of each chunk; dgamma = sum(g (x - mean)) / (sigma + eps);
/// dbeta = sum(g). Of several statistics_ranks() each cuts its own images into its part of the chunks, and
/// means and the sums behind dx are over all of them; that is the whole batch's result where the chunks are a
/// multiple of the ranks. `gamma` and `beta` are (C). bfloat16 is computed in float32.
RangeNormResult range_norm_ste(const torch::Tensor& x, const torch::Tensor& gamma, const torch::Tensor& beta,
                               int64_t most_chunks, double eps, const SharedGradientQuantizer& gradient);

}  // namespace bsq
