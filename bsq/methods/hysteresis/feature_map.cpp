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

ActivationFunction FixedMap::function() const {
  ActivationFunction function;
  function.grid = {/*step=*/1, /*value_step=*/1, /*lowest=*/0, max_integer(bits_)};
  return function;
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

Slots PactMap::slots() const {
  return {{"alpha", alpha_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kSmallestAlpha}};
}

ActivationFunction PactMap::function() const {
  const double alpha = alpha_.item<double>();
  if (!(alpha >= kSmallestAlpha)) {
    throw std::invalid_argument("alpha " + std::to_string(alpha) + "; expected " +
                                std::to_string(kSmallestAlpha) + " or more");
  }
  const auto highest = max_integer(bits_);
  const auto levels = static_cast<double>(highest);
  ActivationFunction function;
  function.grid = {(alpha + kAlphaEpsilon) / levels, alpha / levels, /*lowest=*/0, highest};
  return function;
}

void PactMap::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", PACT"; }

}  // namespace bsq
