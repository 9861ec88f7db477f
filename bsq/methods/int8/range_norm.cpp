#include "bsq/methods/int8/range_norm.h"

#include <torch/utils.h>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>

#include "bsq/methods/int8/int8_activation.h"
#include "bsq/methods/int8/range_norm_ste.h"

namespace bsq {
namespace {

void expect_positive(const char* noun, int64_t number) {
  if (number < 1) {
    throw std::invalid_argument(std::string("range norm: ") + std::to_string(number) + " " + noun +
                                "; expected 1 or more");
  }
}

torch::Tensor one_a_channel(const torch::Tensor& numbers, const torch::Tensor& x) {
  return x.dim() == 4 ? numbers.view({1, -1, 1, 1}) : numbers;
}

}  // namespace

RangeNorm::RangeNorm(const RangeNormOptions& options) : options_(options) {
  expect_positive("channels", options.channels());
  expect_positive("chunks", options.most_chunks());
  const int64_t channels = options.channels();
  weight_ = torch::ones({channels}).set_requires_grad(true);
  bias_ = torch::zeros({channels}).set_requires_grad(true);
  running_mean_ = torch::zeros({channels});
  running_sigma_ = torch::ones({channels});
  register_slots();
  if (options.input_bits() > 0) {
    input_ =
        register_module("input", ActivationQuantizer(std::make_unique<Int8Activation>(options.input_bits())));
  }
}

Slots RangeNorm::slots() const {
  return {{"weight", weight_},
          {"bias", bias_},
          {"running_mean", running_mean_, Slot::Role::kTracked},
          {"running_sigma", running_sigma_, Slot::Role::kTracked}};
}

torch::Tensor RangeNorm::forward(const torch::Tensor& x) {
  if ((x.dim() != 2 && x.dim() != 4) || x.size(1) != options_.channels()) {
    throw std::invalid_argument("range norm: input of shape " + c10::str(x.sizes()) +
                                "; expected (batch, channels) or (batch, channels, height, width) with " +
                                std::to_string(options_.channels()) + " channels");
  }
  const auto quantized = input_ ? input_->forward(x) : x;
  if (!is_training()) {
    return evaluate(quantized);
  }
  const auto result =
      range_norm_ste(quantized, weight_, bias_, options_.most_chunks(), options_.eps(), gradient_);
  track(result.mean, result.sigma);
  return result.value;
}

torch::Tensor RangeNorm::evaluate(const torch::Tensor& x) const {
  const auto factor = weight_.div(running_sigma_.add(options_.eps()));
  const auto type = running_mean_.scalar_type();
  return x.to(type)
      .sub(one_a_channel(running_mean_, x))
      .mul(one_a_channel(factor, x))
      .add(one_a_channel(bias_, x))
      .to(x.scalar_type());
}

void RangeNorm::track(const torch::Tensor& mean, const torch::Tensor& sigma) {
  torch::NoGradGuard no_grad;
  double share = options_.momentum();
  if (is_estimating_) {
    share = 1.0 / static_cast<double>(++estimated_batches_);
  }
  running_mean_.mul_(1 - share).add_(mean.to(running_mean_.options()), share);
  running_sigma_.mul_(1 - share).add_(sigma.to(running_sigma_.options()), share);
}

void RangeNorm::take(const torch::nn::BatchNorm2dImpl& norm) {
  torch::NoGradGuard no_grad;
  if (norm.weight.defined()) {
    weight_.copy_(norm.weight);
    bias_.copy_(norm.bias);
  }
  if (norm.running_mean.defined()) {
    running_mean_.copy_(norm.running_mean);
    running_sigma_.copy_(norm.running_var.add(norm.options.eps()).sqrt());
  }
}

void RangeNorm::begin_estimate() {
  is_estimating_ = true;
  estimated_batches_ = 0;
}

void RangeNorm::end_estimate() { is_estimating_ = false; }

void RangeNorm::pretty_print(std::ostream& stream) const {
  stream << "bsq::RangeNorm(" << options_.channels() << " channels)";
}

}  // namespace bsq
