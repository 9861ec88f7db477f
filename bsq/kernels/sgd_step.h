#pragma once

#include <torch/types.h>

#include <limits>
#include <vector>

namespace bsq {

/// The numbers of torch::optim::SGD's rule, without dampening.
struct SgdNumbers {
  double learning_rate, momentum, weight_decay;
  bool is_nesterov = false;
};

/// What a value is clamped to after a step; by default nothing.
struct ClampLimits {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// g = gradient + decay value, momentum = mu momentum + g, then value -= rate momentum, or with Nesterov's
/// rule value -= rate (g + mu momentum); in one pass over memory where the tensors are float32 or float64 on
/// the CPU, else by libtorch's operations. The value is clamped to the limits afterwards. Value and momentum
/// are changed in place; shapes and types are equal. Values do not depend on the number of threads.
void sgd_step(torch::Tensor& value, torch::Tensor& momentum, const torch::Tensor& gradient,
              const SgdNumbers& numbers, const ClampLimits& limits = {});

/// The same rule for many tensors by few operations of libtorch, without clamps: on a GPU the number of
/// operations is what a step costs. The lists have one length; tensors lie on one device.
void sgd_steps(const std::vector<torch::Tensor>& values, const std::vector<torch::Tensor>& momenta,
               const std::vector<torch::Tensor>& gradients, const SgdNumbers& numbers);

}  // namespace bsq
