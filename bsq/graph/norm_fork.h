#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "bsq/quant/activation_quantizer.h"

namespace bsq {

// For the executor. A batch norm and what follows it, as one operation (bsq/quant/norm_act_ste.h) where that
// serves the tensor, else module by module. The values are those of the modules called one after the other.
// `residual`, which is added to what the norm gives, may be undefined.

/// One value for two readers. The gradients of both come back as one sum without an addition of autograd's.
struct Fork {
  torch::Tensor trunk, branch;
};
/// A value whose readers' gradients autograd adds.
inline Fork plain_fork(const torch::Tensor& value) { return {value, value}; }

/// norm(x) + residual.
Fork norm_fork(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual);
/// relu(norm(x) + residual).
Fork norm_relu_fork(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual);
/// activation(norm(x) + residual).
Fork norm_activation_fork(torch::nn::BatchNorm2dImpl& norm, ActivationQuantizerImpl& activation,
                          const torch::Tensor& x, const torch::Tensor& residual);

}  // namespace bsq
