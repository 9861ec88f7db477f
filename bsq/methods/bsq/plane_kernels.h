#pragma once

#include <torch/types.h>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {

/// The numbers of one optimizer step over planes.
struct PlaneStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  double penalty;          ///< alpha times penalty_factor() of this tensor; 0 for none
  double gradient_factor;  ///< multiplies dL/dW f_b, f_b = 2^(n-1-b) / (2^n - 1); the scale s as published
};

/// sum p_b^2 + sum n_b^2 of every plane on the CPU; shape (n), float64.
torch::Tensor plane_squares(const BitPlanes& planes);

/// One step of SGD over all planes of a tensor on the CPU in one pass over memory, without autograd: the
/// straight-through gradient from dL/dW, the gradient of the group Lasso, weight decay, momentum, the step,
/// the clamp to [0, 2]. `momentum_positive`, `momentum_negative` and `planes` are changed in place; `squares`
/// holds plane_squares() before the call and after it. `weight_gradient` has the weight's shape and the
/// planes' type. The sum over chunks has a fixed order: the result does not depend on the number of threads.
void step_planes(BitPlanes& planes, torch::Tensor& momentum_positive, torch::Tensor& momentum_negative,
                 const torch::Tensor& weight_gradient, const PlaneStep& step, torch::Tensor& squares);

/// round_value(plane_value(p, n)), in one pass over the planes. `rounded` is written in place where it has
/// the weight's shape, the planes' type and their device; otherwise it becomes a new tensor.
void round_planes(const BitPlanes& planes, torch::Tensor& rounded);
torch::Tensor rounded_plane_value(const BitPlanes& planes);

/// dL/ds = sum(dL/dW * Q), Q the rounded value, summed in a fixed order. Both have the weight's shape and one
/// type.
double scale_gradient(const torch::Tensor& weight_gradient, const torch::Tensor& rounded_value);

}  // namespace bsq
