#pragma once

#include <torch/torch.h>

#include "bsq/quant/activation_quantizer.h"

namespace bsq {

// A batch norm and what follows it, as one operation (bsq/quant/norm_act_ste.h) where that serves the tensor,
// else module by module. The values are those of the modules called one after the other.

/// One value for two readers. The gradients of both come back as one sum without an addition of autograd's.
struct Fork {
  torch::Tensor trunk, branch;
};

/// norm(x).
torch::Tensor normalize(torch::nn::BatchNorm2d& norm, const torch::Tensor& x);

/// relu(norm(x)).
torch::Tensor normalize_relu(torch::nn::BatchNorm2d& norm, const torch::Tensor& x);
Fork normalize_relu_fork(torch::nn::BatchNorm2d& norm, const torch::Tensor& x);

/// activation(norm(x) + residual); `residual` may be undefined.
torch::Tensor normalize_activate(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                                 const torch::Tensor& x, const torch::Tensor& residual = {});
Fork normalize_activate_fork(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                             const torch::Tensor& x, const torch::Tensor& residual = {});

}  // namespace bsq
