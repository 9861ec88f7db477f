#include "bsq/methods/profit/duq_activation.h"

#include <torch/utils.h>

#include <algorithm>
#include <limits>
#include <ostream>
#include <stdexcept>

#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/quant/codes.h"

namespace bsq {
namespace {

constexpr double kNoStart = -1000;  // below whatever the optimizer leaves in a slot
constexpr double kPart = 0.95;
constexpr double kLargestStart = 6;
constexpr double kSmallestStart = 1e-3;

torch::Tensor unset_slot() { return torch::tensor(kNoStart, torch::kFloat32).set_requires_grad(true); }

// Of the positive numbers of x, sorted, the one at this part of them; without any, and below it,
// kSmallestStart.
double point_of(const torch::Tensor& x) {
  const auto positive = x.masked_select(x > 0);
  if (positive.numel() == 0) {
    return kSmallestStart;
  }
  const auto place = static_cast<int64_t>(kPart * static_cast<double>(positive.numel()));
  const auto sorted = std::get<0>(positive.sort());
  return std::max(sorted[place].item<double>(), kSmallestStart);
}

}  // namespace

DuqActivation::DuqActivation(int64_t bits) : bits_(checked(bits)), a_(unset_slot()), c_(unset_slot()) {}

int64_t DuqActivation::checked(int64_t bits) const {
  if (bits != DuqActivation::kOff) {
    check_bits("duq activation", bits);
  }
  if (is_signed_ && bits < DuqQuantizer::kFewestBits) {
    throw std::invalid_argument("duq activation: 1 bit for values of both signs; expected 2 or more");
  }
  return bits;
}

void DuqActivation::set_input(const ActivationInput& input) {
  is_signed_ = input.may_be_negative;
  checked(bits_);
}

DuqGrid DuqActivation::grid() const {
  return is_signed_ ? duq_weight_grid(bits_) : duq_activation_grid(bits_);
}

double DuqActivation::start_of(const torch::Tensor& x) const {
  return is_signed_ ? duq_signed_start(x) : duq_start(x);
}

torch::Tensor DuqActivation::forward(const torch::Tensor& x, bool is_training) {
  if (is_calibrating_) {
    calibration_sum_ += start_of(x);
    ++calibration_batches_;
    return x;
  }
  if (is_off()) {
    return x;
  }
  if (!has_started() && !is_training) {
    const auto start = torch::full({}, duq_inverse_softplus(start_of(x)), a_.options().requires_grad(false));
    return duq_ste(x, start, start, grid());
  }
  if (!has_started()) {
    start_at(start_of(x));
  }
  return duq_ste(x, a_, c_, grid());
}

std::optional<ActivationRule> DuqActivation::rule() const {
  ActivationRule rule;
  if (is_off()) {
    rule.low = -std::numeric_limits<double>::infinity();
    return rule;
  }
  if (!has_started()) {
    return std::nullopt;
  }
  const auto levels = static_cast<double>(grid().levels);
  rule.high = duq_softplus(a_.detach()).item<double>();
  rule.low = is_signed_ ? -rule.high : 0;
  rule.divisor = rule.high / levels;
  rule.step = duq_softplus(c_.detach()).item<double>() / levels;
  return rule;
}

Slots DuqActivation::slots() const {
  return {{"a", a_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kDuqLowest},
          {"c", c_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kDuqLowest}};
}

bool DuqActivation::needs_calibration() const { return !is_off() && !has_started(); }

void DuqActivation::begin_calibration() {
  is_calibrating_ = needs_calibration();
  calibration_sum_ = 0;
  calibration_batches_ = 0;
}

void DuqActivation::end_calibration() {
  if (!is_calibrating_) {
    return;
  }
  if (calibration_batches_ == 0) {
    throw std::logic_error("duq activation: calibration ended without a batch");
  }
  is_calibrating_ = false;
  start_at(calibration_sum_ / static_cast<double>(calibration_batches_));
}

void DuqActivation::print(std::ostream& stream) const {
  stream << "bits=" << bits_ << (is_signed_ ? ", DuQ with a sign" : ", DuQ");
}

void DuqActivation::set_bits(int64_t bits) { bits_ = checked(bits); }

bool DuqActivation::has_started() const {
  return std::min(a_.item<double>(), c_.item<double>()) >= kDuqLowest;
}

void DuqActivation::start_at(double value) {
  torch::NoGradGuard no_grad;
  a_.fill_(duq_inverse_softplus(value));
  c_.copy_(a_);
}

double duq_start(const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  return std::min(point_of(x), kLargestStart);
}

double duq_signed_start(const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  return point_of(x.abs());
}

}  // namespace bsq
