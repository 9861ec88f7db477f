#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/nn/stochastic_gradient.h"

namespace bsq {

/// Quantizes a gradient to 2^n values between the smallest and the largest number of the whole tensor, by
/// stochastic rounding. A gradient that is one number everywhere stays as it is.
class Int8Gradient : public StochasticGradient {
 public:
  /// `tensor`: what tells this gradient from others of a step. Throws std::invalid_argument for bits outside
  /// kMinBits to kMaxBits.
  Int8Gradient(int64_t bits, SharedNoiseCounter counter, uint64_t tensor, bool is_for_weights);

  torch::Tensor quantize(const torch::Tensor& gradient) const override;
  bool is_for_weights() const override { return is_for_weights_; }

 private:
  bool is_for_weights_;
};

}  // namespace bsq
