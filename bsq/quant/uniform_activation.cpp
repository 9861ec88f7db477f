#include "bsq/quant/uniform_activation.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <stdexcept>
#include <string>

#include "bsq/base/ranks.h"
#include "bsq/kernels/activation_kernels.h"
#include "bsq/quant/activation_ste.h"

namespace bsq {
namespace {

constexpr int64_t kMaxActivationBits = 32;
constexpr int64_t kLastPactBits = 3;
constexpr double kNoRange = -1;
constexpr double kRelu6 = 6;

}  // namespace

UniformActivation::UniformActivation(const UniformActivationOptions& options) : options_(options) {
  const int64_t bits = options.bits();
  if (bits < 0 || bits > kMaxActivationBits) {
    throw std::invalid_argument("activation quantizer: " + std::to_string(bits) + " bits; expected 0 to 32");
  }
  if (bits >= 1 && bits <= kLastPactBits) {
    alpha_ = torch::tensor(options.alpha(), torch::kFloat32).set_requires_grad(true);
  }
  if (bits > 0) {
    range_ = torch::tensor(kNoRange, torch::kFloat32);
  }
}

Slots UniformActivation::slots() const {
  Slots slots;
  if (alpha_.defined()) {
    slots.push_back({"alpha", alpha_, Slot::Role::kTrained, /*may_be_absent=*/true});
  }
  if (range_.defined()) {
    slots.push_back({"range", range_, Slot::Role::kTracked, /*may_be_absent=*/true});
  }
  return slots;
}

// Of bfloat16 in float32, as the fused operation computes it too; libtorch 1.13 lacks relu6's gradient in it.
torch::Tensor UniformActivation::forward(const torch::Tensor& x, bool is_training) {
  const auto type = x.scalar_type();
  const auto activated = activate(type == torch::kBFloat16 ? x.to(torch::kFloat32) : x);
  const auto value =
      bits() == 0 ? activated : quantize_unsigned_ste(activated, bits(), range_for(activated, is_training));
  return value.to(type);
}

torch::Tensor UniformActivation::activate(const torch::Tensor& x) const {
  return alpha_.defined() ? pact_ste(x, alpha_.to(x.scalar_type())) : torch::relu6(x);
}

bool UniformActivation::uses_stored_range(bool is_training) const {
  return !is_training && !is_calibrating_ && !options_.batch_range() && !needs_calibration();
}

torch::Tensor UniformActivation::range_for(const torch::Tensor& activated, bool is_training) {
  if (uses_stored_range(is_training)) {
    return range_.to(activated.scalar_type());
  }
  auto maximum = activated.detach().max();
  if (auto* ranks = statistics_ranks(); ranks != nullptr && is_training) {
    maximum = largest(*ranks, maximum);
  }
  observe(maximum, is_training);
  return maximum;
}

std::optional<ActivationCall> UniformActivation::fused_call(bool is_training) const {
  using Function = ActivationCall::Function;
  ActivationCall result;
  result.function = alpha_.defined() ? Function::kPact : Function::kRelu6;
  result.bits = bits();
  result.alpha = alpha_;
  if (bits() > 0 && uses_stored_range(is_training)) {
    result.range = range_.item<double>();
  }
  return result;
}

void UniformActivation::observe(const torch::Tensor& maximum, bool is_training) {
  if (!range_.defined() || !(is_training || is_calibrating_)) {
    return;
  }
  torch::NoGradGuard no_grad;
  double weight = is_tracked() ? options_.momentum() : 1.0;
  if (is_calibrating_) {
    weight = 1.0 / static_cast<double>(++calibration_batches_);
  }
  range_.mul_(1 - weight).add_(maximum.to(range_.options()), weight);
}

std::optional<ActivationRule> UniformActivation::rule() const {
  ActivationRule rule;
  rule.high = alpha_.defined() ? alpha_.item<double>() : kRelu6;
  if (bits() == 0) {
    return rule;
  }
  if (!uses_stored_range(/*is_training=*/false)) {
    return std::nullopt;
  }
  const double range = range_.item<double>();
  if (range < kSmallestRange) {
    rule.high = 0;
    return rule;
  }
  rule.high = std::min(rule.high, range);
  rule.divisor = rule.step = range / (std::ldexp(1.0, static_cast<int>(bits())) - 1);
  return rule;
}

bool UniformActivation::is_tracked() const { return range_.defined() && range_.item<double>() >= 0; }

bool UniformActivation::needs_calibration() const {
  return range_.defined() && !options_.batch_range() && !is_tracked();
}

void UniformActivation::begin_calibration() {
  is_calibrating_ = range_.defined();
  calibration_batches_ = 0;
}

void UniformActivation::end_calibration() {
  if (is_calibrating_ && calibration_batches_ == 0) {
    throw std::logic_error("activation quantizer: calibration ended without a batch");
  }
  is_calibrating_ = false;
}

void UniformActivation::print(std::ostream& stream) const {
  stream << "bits=" << bits() << ", " << (alpha_.defined() ? "PACT" : "ReLU6");
}

}  // namespace bsq
