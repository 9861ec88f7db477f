#include "bsq/graph/folded_norm.h"

#include <torch/utils.h>

#include <stdexcept>

namespace bsq {
namespace {

using torch::nn::BatchNorm2dImpl;

/// Of a batch, channel by channel, in the norm's type.
struct Moments {
  torch::Tensor mean, variance;  ///< the biased variance
  double count = 0;
};

Moments moments_of(const torch::Tensor& o) {
  const auto count = static_cast<double>(o.numel() / o.size(1));
  if (count <= 1) {
    throw std::invalid_argument("a norm in training over one value a channel; expected two or more");
  }
  auto [variance, mean] = torch::var_mean(o, {0, 2, 3}, /*unbiased=*/false);
  return {mean, variance, count};
}

// What a batch norm of libtorch tracks; without a momentum the mean over all batches.
void track(BatchNorm2dImpl& norm, const Moments& batch) {
  torch::NoGradGuard no_grad;
  norm.num_batches_tracked.add_(1);
  const auto& momentum = norm.options.momentum();
  const double share = momentum ? *momentum : 1.0 / norm.num_batches_tracked.item<double>();
  const auto move = [share](torch::Tensor& running, const torch::Tensor& now) {
    running.mul_(1 - share).add_(now, share);
  };
  move(norm.running_mean, batch.mean);
  move(norm.running_var, batch.variance * (batch.count / (batch.count - 1)));
}

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
  const auto batch = moments_of(convolved(weight.plain_value()));
  auto tracked = batch;
  if (layer.bias_source() != nullptr) {
    tracked.mean = batch.mean + layer.bias_source()->value().to(type);
  }
  track(norm, tracked);
  const auto gain = norm_gain(norm);
  weight.set_gain(gain);
  const auto deviation = (batch.variance + norm.options.eps()).sqrt();
  const auto correction = running_deviation(norm) / deviation;
  const auto shift = norm.bias - norm.weight * batch.mean / deviation;
  const auto y = convolved(weight.folded_value(gain)) * like_image(correction) + like_image(shift);
  return y.to(x.scalar_type());
}

}  // namespace bsq
