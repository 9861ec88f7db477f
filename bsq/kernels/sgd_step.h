#pragma once

#include <torch/torch.h>

namespace bsq {

/// The numbers of torch::optim::SGD's rule, without Nesterov and dampening.
struct SgdNumbers {
  double learning_rate, momentum, weight_decay;
};

/// momentum = mu momentum + gradient + decay value, then value -= rate momentum, in one pass over memory
/// where the tensors are float32 or float64 on the CPU, else by libtorch's operations. With `is_unit` the
/// value is clamped to
/// [-1, 1] afterwards. Value and momentum are changed in place; shapes and types are equal. Values do not
/// depend on the number of threads.
void sgd_step(torch::Tensor& value, torch::Tensor& momentum, const torch::Tensor& gradient,
              const SgdNumbers& numbers, bool is_unit);

}  // namespace bsq
