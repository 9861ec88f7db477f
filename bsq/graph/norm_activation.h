#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "bsq/quant/activation_quantizer.h"

namespace bsq {

// For a forward() that is written by hand: a batch norm and what follows it, as one operation where that
// serves the tensor, else module by module. The values are those of the modules called one after the other. A
// network that is written with the builder gets these by itself.

/// norm(x).
torch::Tensor normalize(torch::nn::BatchNorm2d& norm, const torch::Tensor& x);

/// relu(norm(x)).
torch::Tensor normalize_relu(torch::nn::BatchNorm2d& norm, const torch::Tensor& x);

/// activation(norm(x) + residual); `residual` may be undefined.
torch::Tensor normalize_activate(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                                 const torch::Tensor& x, const torch::Tensor& residual = {});

}  // namespace bsq
