#include "bsq/nn/folded_weight.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <stdexcept>
#include <utility>

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The values of codes, to the last bit; the gradient is that of `through`, which differs by rounding.
struct ValueOfCodes : torch::autograd::Function<ValueOfCodes> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& /*through*/, const Codes& codes) {
    return value_of(codes);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor()};
  }
};

// What a channel without a gain is divided by: its values are 0.
torch::Tensor divisor_of(const torch::Tensor& gain) {
  return torch::where(gain == 0, torch::ones_like(gain), gain);
}

}  // namespace

FoldedWeight::FoldedWeight(const torch::Tensor& weight, std::unique_ptr<Quantizer> quantizer,
                           const torch::Tensor& gain)
    : weight_(weight.detach().clone().set_requires_grad(quantizer->limits().is_trained)),
      gain_(gain.detach().to(weight.options().requires_grad(false), /*non_blocking=*/false, /*copy=*/true)),
      quantizer_(std::move(quantizer)) {
  if (weight.dim() == 0 || gain.dim() != 1 || gain.size(0) != weight.size(0)) {
    throw std::invalid_argument("a gain of shape " + c10::str(gain.sizes()) + " for a weight of shape " +
                                c10::str(weight.sizes()) + "; expected one number for each output channel");
  }
}

torch::Tensor FoldedWeight::folded_value(const torch::Tensor& gain) const {
  return quantizer_->forward(weight_ * along_channels(gain, weight_));
}

torch::Tensor FoldedWeight::value() const {
  const auto through = folded_value(gain_) / along_channels(divisor_of(gain_), weight_);
  return ValueOfCodes::apply(through, scaled_codes());
}

Slots FoldedWeight::slots() const {
  const auto limits = quantizer_->limits();
  Slots slots = {{"weight", weight_, Slot::Role::kTrained, /*may_be_absent=*/false, limits.low, limits.high},
                 {"gain", gain_, Slot::Role::kTracked}};
  const auto own = quantizer_->slots();
  slots.insert(slots.end(), own.begin(), own.end());
  return slots;
}

Codes FoldedWeight::scaled_codes() const {
  torch::NoGradGuard no_grad;
  auto codes = quantizer_->codes(weight_ * along_channels(gain_, weight_));
  codes.scale = codes.scale / divisor_of(gain_);
  return codes;
}

std::optional<Codes> FoldedWeight::codes() const {
  auto codes = scaled_codes();
  drop_bits_if_zero(codes);
  return codes;
}

std::string FoldedWeight::text() const {
  const auto own = quantizer_->text();
  return (own.empty() ? own : own + ", ") + "of the weights times the norm's gain";
}

StoredTensor FoldedWeight::store() const {
  StoredTensor stored;
  stored.value = weight_.detach().clone().cpu().contiguous();
  stored.encoding = Encoding::kLatent;
  stored.source = kind();
  stored.format = quantizer_->format();
  stored.bits = codes()->format.bits;
  return stored;
}

std::unique_ptr<WeightSource> FoldedWeight::clone() const {
  return std::make_unique<FoldedWeight>(weight_, quantizer_->clone(), gain_);
}

void FoldedWeight::set_gain(const torch::Tensor& gain) {
  torch::NoGradGuard no_grad;
  gain_.copy_(gain);
}

}  // namespace bsq
