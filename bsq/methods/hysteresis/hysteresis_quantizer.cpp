#include "bsq/methods/hysteresis/hysteresis_quantizer.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/hysteresis/hysteresis_rule.h"
#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// -1 or 1, in a type of choice.
torch::Tensor integers_of(const torch::Tensor& signs, torch::ScalarType type) {
  return signs.to(type).mul_(2).sub_(1);
}

// The value, of the hidden weight that its gradient goes to.
struct SignedScale : torch::autograd::Function<SignedScale> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& hidden, const torch::Tensor& signs) {
    return integers_of(signs, hidden.scalar_type()).mul_(mean_magnitude(hidden));
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor()};
  }
};

void check_signs(const torch::Tensor& signs) {
  if (!signs.eq(0).logical_or_(signs.eq(1)).all().item<bool>()) {
    throw std::invalid_argument("hysteresis: signs other than 0 and 1; expected 1 for + and 0 for -");
  }
}

}  // namespace

HysteresisQuantizer::HysteresisQuantizer(const torch::Tensor& signs)
    : signs_(signs.detach().to(torch::kUInt8, /*non_blocking=*/false, /*copy=*/true)) {
  check_signs(signs);
}

std::unique_ptr<HysteresisQuantizer> HysteresisQuantizer::for_weights(const torch::Tensor& hidden) {
  return std::make_unique<HysteresisQuantizer>(signs_of(hidden));
}

torch::Tensor HysteresisQuantizer::forward(const torch::Tensor& hidden) const {
  return SignedScale::apply(hidden, signs_);
}

Codes HysteresisQuantizer::codes(const torch::Tensor& hidden) const {
  torch::NoGradGuard no_grad;
  Codes codes;
  codes.scale = mean_magnitude(hidden);
  codes.integers = integers_of(signs_, torch::kInt32);
  if (codes.scale.eq(0).item<bool>()) {  // no sign has a meaning then
    codes.integers.zero_();
  }
  codes.format = format();
  return codes;
}

CodeFormat HysteresisQuantizer::format() const {
  return {/*bits=*/1, /*levels=*/1, /*low=*/-1, /*step=*/2, /*has_sign_bit=*/false};
}

Slots HysteresisQuantizer::slots() const { return {{"sign", signs_, Slot::Role::kTracked}}; }

// A module that moves to another floating-point type takes every buffer along.
void HysteresisQuantizer::refresh() {
  check_signs(signs_);
  signs_.set_data(signs_.to(torch::kUInt8));
}

std::unique_ptr<Quantizer> HysteresisQuantizer::clone() const {
  return std::make_unique<HysteresisQuantizer>(signs_);
}

std::unique_ptr<WeightSource> HysteresisQuantizer::load(const StoredTensor& stored,
                                                        const torch::TensorOptions& options) {
  const auto hidden = stored.value.to(options);
  auto quantizer = for_weights(hidden);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("hysteresis: another grid of integers; expected -1 and 1");
  }
  return std::make_unique<MasterWeight>(hidden, std::move(quantizer));
}

}  // namespace bsq
