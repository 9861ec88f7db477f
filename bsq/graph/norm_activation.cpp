#include "bsq/graph/norm_activation.h"

#include "bsq/quant/norm_act_ste.h"

namespace bsq {
namespace {

bool can_fuse(const torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  const auto& options = norm->options;
  const bool has_usual_options =
      options.affine() && options.track_running_stats() && options.momentum().has_value();
  const bool has_types = norm->weight.scalar_type() == torch::kFloat32 && norm->weight.is_cpu();
  // A single value has no variance: the module has the words for that error.
  const bool has_variance = x.dim() == 4 && x.numel() > x.size(1);
  return has_usual_options && has_types && has_variance && x.size(1) == norm->weight.size(0) &&
         can_norm_act(x);
}

NormActResult fused(torch::nn::BatchNorm2d& norm, const torch::Tensor& x, const torch::Tensor& residual,
                    const ActivationCall& activation) {
  const BatchNormTensors tensors{norm->weight,
                                 norm->bias,
                                 norm->running_mean,
                                 norm->running_var,
                                 *norm->options.momentum(),
                                 norm->options.eps(),
                                 norm->is_training()};
  if (norm->is_training()) {
    norm->num_batches_tracked.add_(1);
  }
  return norm_act_ste(x, residual, tensors, activation);
}

// libtorch's own batch norm takes bfloat16 with float32 parameters on some devices only.
torch::Tensor separate(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  return norm->forward(x.to(norm->weight.scalar_type())).to(x.scalar_type());
}

Fork both(const torch::Tensor& value) { return {value, value}; }

}  // namespace

torch::Tensor normalize(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  return can_fuse(norm, x) ? fused(norm, x, {}, {}).value : separate(norm, x);
}

torch::Tensor normalize_relu(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  return normalize_relu_fork(norm, x).trunk;
}

Fork normalize_relu_fork(torch::nn::BatchNorm2d& norm, const torch::Tensor& x) {
  if (!can_fuse(norm, x)) {
    return both(torch::relu(separate(norm, x)));
  }
  ActivationCall relu;
  relu.function = ActivationCall::Function::kRelu;
  const auto result = fused(norm, x, {}, relu);
  return {result.value, result.again};
}

torch::Tensor normalize_activate(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                                 const torch::Tensor& x, const torch::Tensor& residual) {
  return normalize_activate_fork(norm, activation, x, residual).trunk;
}

Fork normalize_activate_fork(torch::nn::BatchNorm2d& norm, ActivationQuantizer& activation,
                             const torch::Tensor& x, const torch::Tensor& residual) {
  const auto call = activation->fused_call();
  if (!can_fuse(norm, x)) {
    const auto normalized = separate(norm, x);
    return both(activation->forward(residual.defined() ? normalized + residual : normalized));
  }
  if (!call) {
    return both(activation->forward(fused(norm, x, residual, {}).value));
  }
  const auto result = fused(norm, x, residual, *call);
  activation->observe(torch::tensor(result.range));
  return {result.value, result.again};
}

}  // namespace bsq
