#pragma once

#include <torch/types.h>

#include <limits>
#include <vector>

namespace bsq::norm_act {

/// y = clamp(slope_c x + shift_c + residual, low, high), then a = S round(min(y, S) L / S) / L where
/// levels = L > 0.
struct Activation {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  /// Whether the gradient passes on the limits too, as PACT's does.
  bool closed = false;
  double levels = 0;
};

/// Over all but the channel dimension: the mean, the biased variance, the extremes; (C) each.
struct ChannelStatistics {
  std::vector<double> mean, variance;
  std::vector<float> least, largest;
};

/// Batch norm as one multiplication and one addition per channel; (C) each.
struct ChannelAffine {
  std::vector<float> slope, shift;
};

/// Sums over all but the channel dimension, of the gradient g that passes the clamp; (C) each.
struct GradientSums {
  std::vector<double> sum;      ///< of g
  std::vector<double> product;  ///< of g (x - mean)
  double above = 0;             ///< of the whole gradient where y >= high (closed only): PACT's dL/dalpha
  torch::Tensor passed;         ///< g itself, where there is a residual or a second gradient
};

/// dL/dx = gain_c g + tilt_c (x - mean_c) + level_c.
struct InputGradientNumbers {
  std::vector<float> mean, gain, tilt, level;
};

/// Whether the kernels below serve this tensor: float32 or bfloat16, 4-dimensional, on the CPU, not empty.
bool can_serve(const torch::Tensor& x);

// All tensors below are (B, C, H, W), of one type, dense in channels-last order; `residual` may be undefined.
// Arithmetic is in float32, sums over chunks of fixed size in float64: results do not depend on the number of
// threads.

ChannelStatistics channel_statistics(const torch::Tensor& x);

/// min(max(y, low), high) over the whole tensor. Stops early once `high` is reached.
float largest_activation(const torch::Tensor& x, const torch::Tensor& residual, const ChannelAffine& affine,
                         const Activation& activation);
/// The same without a pass over x: y is monotone in x.
float largest_activation(const ChannelStatistics& statistics, const ChannelAffine& affine,
                         const Activation& activation);

torch::Tensor apply(const torch::Tensor& x, const torch::Tensor& residual, const ChannelAffine& affine,
                    const Activation& activation, float range);

/// `second` is added to `gradient` as both are read; it may be undefined.
GradientSums gradient_sums(const torch::Tensor& gradient, const torch::Tensor& second, const torch::Tensor& x,
                           const torch::Tensor& residual, const ChannelAffine& affine,
                           const std::vector<float>& mean, const Activation& activation);

/// `gradient` is GradientSums::passed where `is_passed`, else the gradient of the output.
torch::Tensor input_gradient(const torch::Tensor& gradient, bool is_passed, const torch::Tensor& x,
                             const ChannelAffine& affine, const InputGradientNumbers& numbers,
                             const Activation& activation);

}  // namespace bsq::norm_act
