#pragma once

#include <torch/types.h>

#include <memory>

namespace bsq {

/// Quantizes the gradient that arrives behind a layer or a norm, in its backward pass. Threads may share one.
class GradientQuantizer {
 public:
  virtual ~GradientQuantizer() = default;
  /// The gradient to go on with, in the type of `gradient` and of its shape.
  virtual torch::Tensor quantize(const torch::Tensor& gradient) const = 0;
  /// Whether the gradients of a layer's own weight and bias are made of it too. False is gradient
  /// bifurcation: they are made of the gradient as it arrived. A norm has one gradient for all.
  virtual bool is_for_weights() const = 0;
};

/// Null: gradients stay as they are.
using SharedGradientQuantizer = std::shared_ptr<const GradientQuantizer>;

}  // namespace bsq
