#include "bsq/methods/sawb/pact_activation.h"

#include <torch/utils.h>

#include <limits>
#include <ostream>
#include <stdexcept>
#include <string>

#include "bsq/methods/sawb/pact_clip_ste.h"
#include "bsq/quant/codes.h"

namespace bsq {

PactActivation::PactActivation(int64_t bits)
    : bits_(bits), alpha_(torch::tensor(kStart, torch::kFloat32).set_requires_grad(true)) {
  if (bits < kFewestBits || bits > kMostBits) {
    throw std::invalid_argument("pact activation: " + std::to_string(bits) + " bits; expected " +
                                std::to_string(kFewestBits) + " to " + std::to_string(kMostBits));
  }
}

torch::Tensor PactActivation::forward(const torch::Tensor& x, bool /*is_training*/) {
  return pact_clip_ste(x, alpha_, bits_);
}

std::optional<ActivationRule> PactActivation::rule() const {
  ActivationRule rule;
  rule.low = -std::numeric_limits<double>::infinity();  // a ReLU stands in front of it
  rule.high = alpha_.item<double>();
  rule.divisor = rule.step = rule.high / static_cast<double>(max_integer(bits_));
  return rule;
}

Slots PactActivation::slots() const {
  return {{"alpha", alpha_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kSmallestAlpha}};
}

void PactActivation::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", PACT"; }

void PactActivation::set_alpha(double alpha) {
  if (!(alpha >= kSmallestAlpha)) {
    throw std::invalid_argument("pact activation: an alpha of " + std::to_string(alpha) +
                                "; expected at least " + std::to_string(kSmallestAlpha));
  }
  torch::NoGradGuard no_grad;
  alpha_.fill_(alpha);
}

}  // namespace bsq
