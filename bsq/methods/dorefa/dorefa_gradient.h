#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/nn/stochastic_gradient.h"

namespace bsq {

/// Quantizes a gradient g (B, ...) to 2^k values, image by image, by stochastic rounding:
///     2 m (round((2^k-1) (g / (2 m) + 1/2) + noise) / (2^k-1) - 1/2),
/// m = max|g| of the image, noise uniform in [-0.5, 0.5) (Zhou et al., 2016, arXiv 1606.06160, equation 12).
/// The gradients of the layer's own weights are made of it too, as in the paper's algorithm 1. An image whose
/// gradient is 0 keeps it.
class DorefaGradient : public StochasticGradient {
 public:
  static constexpr int64_t kMostBits = 16;

  /// `tensor`: what tells this gradient from others of a step. Throws std::invalid_argument for bits outside
  /// 1 to kMostBits.
  DorefaGradient(int64_t bits, SharedNoiseCounter counter, uint64_t tensor);

  torch::Tensor quantize(const torch::Tensor& gradient) const override;
  bool is_for_weights() const override { return true; }
};

}  // namespace bsq
