#include "bsq/methods/int8/int8_activation.h"

#include <torch/utils.h>

#include <limits>
#include <ostream>
#include <stdexcept>

#include "bsq/base/ranks.h"

namespace bsq {
namespace {

constexpr double kNoRange = -1;

// The mean over the samples of all ranks.
AffineRange over_ranks(Ranks& ranks, const AffineRange& own, int64_t samples) {
  torch::NoGradGuard no_grad;
  const auto weighted = torch::stack({own.low, own.low.add(own.range), torch::ones_like(own.low)})
                            .to(torch::kFloat64)
                            .mul_(static_cast<double>(samples));
  const auto sums = ordered_sum(ranks, weighted);
  const auto low = sums[0].div(sums[2]);
  return {low.to(own.low.options()), sums[1].div(sums[2]).sub_(low).to(own.range.options())};
}

}  // namespace

Int8Activation::Int8Activation(int64_t bits, double momentum)
    : bits_(bits),
      momentum_(momentum),
      low_(torch::tensor(0.0, torch::kFloat32)),
      range_(torch::tensor(kNoRange, torch::kFloat32)) {
  check_bits("int8 activation", bits);
}

torch::Tensor Int8Activation::forward(const torch::Tensor& x, bool is_training) {
  return affine_quantize_ste(x, range_for(x, is_training), bits_);
}

AffineRange Int8Activation::range_for(const torch::Tensor& x, bool is_training) {
  if (!is_training && !is_calibrating_ && !needs_calibration()) {
    return {low_, range_};
  }
  auto found = range_of_samples(x);
  if (auto* ranks = statistics_ranks(); ranks != nullptr && is_training) {
    found = over_ranks(*ranks, found, x.size(0));
  }
  if (is_training || is_calibrating_) {
    track(found);
  }
  return found;
}

void Int8Activation::track(const AffineRange& found) {
  torch::NoGradGuard no_grad;
  double weight = needs_calibration() ? 1.0 : momentum_;
  if (is_calibrating_) {
    weight = 1.0 / static_cast<double>(++calibration_batches_);
  }
  low_.mul_(1 - weight).add_(found.low.to(low_.options()), weight);
  range_.mul_(1 - weight).add_(found.range.to(range_.options()), weight);
}

std::optional<ActivationRule> Int8Activation::rule() const {
  if (needs_calibration()) {
    return std::nullopt;
  }
  ActivationRule rule;
  rule.low = rule.offset = low_.item<double>();
  rule.divisor = rule.step = range_.item<double>() / static_cast<double>(max_integer(bits_));
  rule.high = rule.low + range_.item<double>();
  if (rule.step == 0) {
    rule.low = -std::numeric_limits<double>::infinity();  // one value: nothing is rounded
    rule.high = -rule.low;
  }
  return rule;
}

Slots Int8Activation::slots() const {
  return {{"low", low_, Slot::Role::kTracked, /*may_be_absent=*/true},
          {"range", range_, Slot::Role::kTracked, /*may_be_absent=*/true}};
}

bool Int8Activation::needs_calibration() const { return !(range_.item<double>() >= 0); }

void Int8Activation::begin_calibration() {
  is_calibrating_ = true;
  calibration_batches_ = 0;
}

void Int8Activation::end_calibration() {
  if (calibration_batches_ == 0) {
    throw std::logic_error("int8 activation: calibration ended without a batch");
  }
  is_calibrating_ = false;
}

void Int8Activation::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", affine"; }

}  // namespace bsq
