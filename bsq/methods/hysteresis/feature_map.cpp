#include "bsq/methods/hysteresis/feature_map.h"

#include <torch/utils.h>

#include <ostream>
#include <string>

#include "bsq/base/error.h"
#include "bsq/methods/hysteresis/feature_map_ste.h"
#include "bsq/quant/codes.h"

namespace bsq {

FixedMap::FixedMap(int64_t bits) : bits_(bits) { check_bits("feature map", bits); }

torch::Tensor FixedMap::forward(const torch::Tensor& x, bool /*is_training*/) {
  return fixed_map_ste(x, bits_);
}

std::optional<ActivationRule> FixedMap::rule() const {
  ActivationRule rule;
  rule.high = static_cast<double>(max_integer(bits_));
  rule.divisor = rule.step = 1;
  return rule;
}

void FixedMap::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", step 1"; }

PactMap::PactMap(int64_t bits) : bits_(bits) {
  check_bits("feature map", bits);
  alpha_ = torch::tensor(static_cast<double>(max_integer(bits)), torch::kFloat32).set_requires_grad(true);
}

torch::Tensor PactMap::forward(const torch::Tensor& x, bool /*is_training*/) {
  const double alpha = alpha_.item<double>();
  if (!(alpha >= kSmallestAlpha)) {
    throw Error("feature map: alpha " + std::to_string(alpha) + "; expected " +
                std::to_string(kSmallestAlpha) + " or more");
  }
  return pact_map_ste(x, alpha_, bits_);
}

std::optional<ActivationRule> PactMap::rule() const {
  const double alpha = alpha_.item<double>();
  const auto largest = static_cast<double>(max_integer(bits_));
  ActivationRule rule;
  rule.divisor = (alpha + kAlphaEpsilon) / largest;
  rule.step = alpha / largest;
  rule.high = rule.divisor * largest;
  return rule;
}

Slots PactMap::slots() const {
  return {{"alpha", alpha_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kSmallestAlpha}};
}

void PactMap::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", PACT"; }

}  // namespace bsq
