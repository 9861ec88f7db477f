#include "bsq/methods/sawb/pact_activation.h"

#include <torch/utils.h>

#include <ostream>
#include <stdexcept>
#include <string>

#include "bsq/methods/sawb/pact_clip_ste.h"

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

ActivationFunction PactActivation::function() const {
  auto function = unsigned_function(bits_, alpha_.item<double>());
  function.grid->lowest = ActivationFunction::kUnbounded;
  return function;
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
