#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "bsq/methods/int8/affine.h"
#include "bsq/nn/gradient_quantizer.h"

namespace bsq::test {

/// Quantizes gradients with noise that the test gives: of a gradient, the tensor to be added; without, none.
class GivenNoise : public GradientQuantizer {
 public:
  using Noise = std::function<torch::Tensor(const torch::Tensor& gradient)>;

  GivenNoise(int64_t bits, bool is_for_weights, Noise noise = nullptr)
      : bits_(bits), is_for_weights_(is_for_weights), noise_(std::move(noise)) {}

  torch::Tensor quantize(const torch::Tensor& gradient) const override {
    const auto range = range_of_tensor(gradient);
    return noise_ ? affine_quantize(gradient, range, bits_, noise_(gradient))
                  : affine_quantize(gradient, range, bits_);
  }
  bool is_for_weights() const override { return is_for_weights_; }

 private:
  int64_t bits_;
  bool is_for_weights_;
  Noise noise_;
};

}  // namespace bsq::test
