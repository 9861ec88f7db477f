#include "bsq/graph/folded_norm.h"

#include <torch/utils.h>

#include "bsq/base/ranks.h"
#include "bsq/nn/synchronized_norm.h"

namespace bsq {
namespace {

using torch::nn::BatchNorm2dImpl;

torch::Tensor running_deviation(const BatchNorm2dImpl& norm) {
  torch::NoGradGuard no_grad;
  return (norm.running_var + norm.options.eps()).sqrt();
}

torch::Tensor like_image(const torch::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); }

}  // namespace

torch::Tensor norm_gain(const BatchNorm2dImpl& norm) { return norm.weight / running_deviation(norm); }

FoldedWeight* folded_weight(QuantConv2dImpl& layer) {
  return dynamic_cast<FoldedWeight*>(&layer.weight_source());
}

bool trains_folded(QuantConv2dImpl& layer, const BatchNorm2dImpl& norm) {
  return norm.is_training() && folded_weight(layer) != nullptr;
}

torch::Tensor folded_conv_norm(QuantConv2dImpl& layer, BatchNorm2dImpl& norm, const torch::Tensor& x) {
  auto& weight = *folded_weight(layer);
  const auto type = norm.weight.scalar_type();
  const auto convolved = [&](const torch::Tensor& values) {
    return layer.convolve(x, values.to(x.scalar_type()), /*bias=*/{}).to(type);
  };
  // The bias is in the mean and goes out with it.
  const auto batch = batch_moments(convolved(weight.plain_value()), statistics_ranks());
  auto tracked = batch;
  if (layer.bias_source() != nullptr) {
    tracked.mean = batch.mean + layer.bias_source()->value().to(type);
  }
  track_moments(norm, tracked);
  const auto gain = norm_gain(norm);
  weight.set_gain(gain);
  const auto deviation = (batch.variance + norm.options.eps()).sqrt();
  const auto correction = running_deviation(norm) / deviation;
  const auto shift = norm.bias - norm.weight * batch.mean / deviation;
  const auto y = convolved(weight.folded_value(gain)) * like_image(correction) + like_image(shift);
  return y.to(x.scalar_type());
}

}  // namespace bsq
