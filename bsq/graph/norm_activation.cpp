#include "bsq/graph/norm_activation.h"

#include <torch/nn/modules/batchnorm.h>

#include "bsq/graph/norm_fork.h"

namespace bsq {

torch::Tensor normalize(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  return norm_fork(*norm, x, /*residual=*/{}).trunk;
}

torch::Tensor normalize_relu(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  return norm_relu_fork(*norm, x, /*residual=*/{}).trunk;
}

torch::Tensor normalize_activate(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                                 const torch::Tensor& x, const torch::Tensor& residual) {
  return norm_activation_fork(*norm, *activation, x, residual).trunk;
}

}  // namespace bsq
