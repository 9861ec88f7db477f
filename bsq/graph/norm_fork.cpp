#include "bsq/graph/norm_fork.h"

#include <torch/nn/modules/batchnorm.h>

#include "bsq/base/ranks.h"
#include "bsq/nn/synchronized_norm.h"
#include "bsq/quant/norm_act_ste.h"

namespace bsq {
namespace {

using torch::nn::BatchNorm2dImpl;

bool can_fuse(const BatchNorm2dImpl& norm, const torch::Tensor& x) {
  const auto& options = norm.options;
  const bool has_usual_options =
      options.affine() && options.track_running_stats() && options.momentum().has_value();
  const bool has_types = norm.weight.scalar_type() == torch::kFloat32 && norm.weight.is_cpu();
  // A single value has no variance: the module has the words for that error. Of several ranks' values it may.
  const bool has_ranks = norm.is_training() && statistics_ranks() != nullptr;
  const bool has_variance = x.dim() == 4 && (x.numel() > x.size(1) || has_ranks);
  return has_usual_options && has_types && has_variance && x.size(1) == norm.weight.size(0) &&
         can_norm_act(x);
}

NormActResult fused(BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual,
                    const ActivationCall& activation) {
  const BatchNormTensors tensors{
      norm.weight,        norm.bias,         norm.running_mean, norm.running_var, *norm.options.momentum(),
      norm.options.eps(), norm.is_training()};
  if (norm.is_training()) {
    norm.num_batches_tracked.add_(1);
  }
  return norm_act_ste(x, residual, tensors, activation);
}

// libtorch's own batch norm takes bfloat16 with float32 parameters on some devices only.
torch::Tensor separate(BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual) {
  const auto wide = x.to(norm.weight.scalar_type());
  auto* ranks = norm.is_training() ? statistics_ranks() : nullptr;
  const auto normalized =
      (ranks != nullptr ? synchronized_batch_norm(norm, wide, *ranks) : norm.forward(wide))
          .to(x.scalar_type());
  return residual.defined() ? normalized + residual : normalized;
}

Fork fork_of(const NormActResult& result) { return {result.value, result.again}; }

}  // namespace

Fork norm_fork(BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual) {
  return can_fuse(norm, x) ? fork_of(fused(norm, x, residual, {})) : plain_fork(separate(norm, x, residual));
}

Fork norm_relu_fork(BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& residual) {
  if (!can_fuse(norm, x)) {
    return plain_fork(torch::relu(separate(norm, x, residual)));
  }
  ActivationCall relu;
  relu.function = ActivationCall::Function::kRelu;
  return fork_of(fused(norm, x, residual, relu));
}

Fork norm_activation_fork(BatchNorm2dImpl& norm, ActivationQuantizerImpl& activation, const torch::Tensor& x,
                          const torch::Tensor& residual) {
  if (!can_fuse(norm, x)) {
    return plain_fork(activation.forward(separate(norm, x, residual)));
  }
  const auto call = activation.fused_call();
  if (!call) {
    return plain_fork(activation.forward(fused(norm, x, residual, {}).value));
  }
  const auto result = fused(norm, x, residual, *call);
  activation.observe(torch::tensor(result.range));
  return fork_of(result);
}

}  // namespace bsq
