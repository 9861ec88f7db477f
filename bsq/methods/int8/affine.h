#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "bsq/kernels/rounding_noise.h"
#include "bsq/quant/codes.h"

namespace bsq {

/// Where the values of a tensor lie: from `low` to low + range. One number each (0-dimensional), or one for
/// each index of the first axis. Real numbers: 0 need not be a point of the grid.
struct AffineRange {
  torch::Tensor low, range;
};

/// From the smallest to the largest value of the whole tensor: gradients, biases.
AffineRange range_of_tensor(const torch::Tensor& x);
/// The same for each index of the first axis: weights, one range an output channel.
AffineRange range_of_channels(const torch::Tensor& x);
/// From the mean of the samples' smallest values to the mean of their largest ones (first axis: samples).
/// Values beyond are clipped. For activations.
AffineRange range_of_samples(const torch::Tensor& x);

/// 0..2^n-1, levels 1: the grid of all that follows. Values are scale * integer + offset.
CodeFormat affine_format(int64_t bits);

/// Banner et al. (arXiv 1805.11046), as the published code computes it ("GEMMLOWP"), without a sign: with
/// scale s = range / (2^n-1), integer q = round(clamp((x - low) / s, 0, 2^n-1)), half to even. Scale s and
/// offset `low` are part of the codes. A range of 0 gives q = 0.
Codes affine_codes(const torch::Tensor& x, const AffineRange& range, int64_t bits);

/// The values q s + low. Where a range is 0, x itself (the published code gives NaN). The type is x's; of
/// bfloat16, all but the result is float32.
torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits);
/// The same with `noise`, of x's shape and in [-0.5, 0.5), added to (x - low) / s: stochastic rounding.
torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                              const torch::Tensor& noise);
/// The same with noise_like(x, key).
torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                              const NoiseKey& key);

/// affine_quantize() whose gradient passes straight through, also where values are clipped. The range is a
/// constant.
torch::Tensor affine_quantize_ste(const torch::Tensor& x, const AffineRange& range, int64_t bits);

}  // namespace bsq
