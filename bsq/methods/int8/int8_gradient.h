#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "bsq/nn/gradient_quantizer.h"

namespace bsq {

/// Where the noise of a run comes from: tensors of one int64 number each, so that a method's state() can hold
/// them. The noise of a step is a function of both and of the tensor's number, so that a resumed run draws
/// the same.
struct NoiseCounter {
  torch::Tensor seed, step;
};

/// Quantizes a gradient to 2^n values between the smallest and the largest number of the whole tensor, by
/// stochastic rounding. The noise is that of noise_key(seed, step, tensor), so several backward passes before
/// a step share it. A gradient that is one number everywhere stays as it is.
class Int8Gradient : public GradientQuantizer {
 public:
  /// `tensor`: what tells this gradient from others of a step. Throws std::invalid_argument for bits outside
  /// kMinBits to kMaxBits.
  Int8Gradient(int64_t bits, std::shared_ptr<const NoiseCounter> counter, uint64_t tensor,
               bool is_for_weights);

  torch::Tensor quantize(const torch::Tensor& gradient) const override;
  bool is_for_weights() const override { return is_for_weights_; }

 private:
  int64_t bits_;
  std::shared_ptr<const NoiseCounter> counter_;
  uint64_t tensor_;
  bool is_for_weights_;
};

}  // namespace bsq
