#include "bsq/nn/synchronized_norm.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/base/ranks_holder.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SumOverRanks : torch::autograd::Function<SumOverRanks> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& tensor, Ranks* ranks) {
    context->saved_data["ranks"] = held(ranks);
    return ordered_sum(*ranks, tensor);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    auto* ranks = ranks_in(context->saved_data["ranks"]);
    return {ordered_sum(*ranks, gradients[0]), torch::Tensor()};
  }
};

torch::Tensor like_image(const torch::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); }

torch::Tensor channel_sum(const torch::Tensor& x, Ranks* ranks) {
  const auto sum = x.sum({0, 2, 3});
  return ranks == nullptr ? sum : sum_over_ranks(*ranks, sum);
}

double values_of_channel(const torch::Tensor& x, Ranks* ranks) {
  const auto own = static_cast<double>(x.numel() / x.size(1));
  return ranks == nullptr
             ? own
             : ordered_sum(*ranks, torch::tensor({own}, x.options().dtype(torch::kFloat64))).item<double>();
}

}  // namespace

torch::Tensor sum_over_ranks(Ranks& ranks, const torch::Tensor& tensor) {
  return SumOverRanks::apply(tensor, &ranks);
}

BatchMoments batch_moments(const torch::Tensor& x, Ranks* ranks) {
  const double count = values_of_channel(x, ranks);
  if (count <= 1) {
    throw std::invalid_argument("a norm in training over one value a channel; expected two or more");
  }
  if (ranks == nullptr) {
    auto [variance, mean] = torch::var_mean(x, {0, 2, 3}, /*unbiased=*/false);
    return {mean, variance, count};
  }
  const auto mean = channel_sum(x, ranks) / count;
  return {mean, channel_sum((x - like_image(mean)).square(), ranks) / count, count};
}

void track_moments(torch::nn::BatchNorm2dImpl& norm, const BatchMoments& batch) {
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

torch::Tensor synchronized_batch_norm(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x,
                                      Ranks& ranks) {
  const auto batch = batch_moments(x, &ranks);
  if (norm.options.track_running_stats()) {
    track_moments(norm, batch);
  }
  const auto y = (x - like_image(batch.mean)) * like_image((batch.variance + norm.options.eps()).rsqrt());
  return norm.options.affine() ? y * like_image(norm.weight) + like_image(norm.bias) : y;
}

}  // namespace bsq
