#include "bsq/methods/lsq/lsq_activation.h"

#include <torch/utils.h>

#include <algorithm>
#include <ostream>
#include <stdexcept>

#include "bsq/quant/codes.h"

namespace bsq {
namespace {

constexpr double kNoStep = -1;

int64_t features_of(const torch::Tensor& x) { return x.numel() / std::max<int64_t>(x.size(0), 1); }

}  // namespace

LsqActivation::LsqActivation(int64_t bits)
    : bits_(bits), step_(torch::tensor(kNoStep, torch::kFloat32).set_requires_grad(true)) {
  check_bits("lsq activation", bits);
}

torch::Tensor LsqActivation::forward(const torch::Tensor& x, bool is_training) {
  const auto step = is_calibrating_ || needs_calibration() ? first_step(x, is_training) : step_;
  return lsq_ste(x, step, grid(), features_of(x));
}

torch::Tensor LsqActivation::first_step(const torch::Tensor& x, bool is_training) {
  const double start = lsq_start(x.detach().clamp_min(0), grid());
  if (is_calibrating_) {
    calibration_sum_ += start;
    ++calibration_batches_;
  } else if (is_training) {
    set_step(start);
    return step_;
  }
  return torch::full({}, start, step_.options().requires_grad(false));
}

std::optional<ActivationRule> LsqActivation::rule() const {
  if (needs_calibration()) {
    return std::nullopt;
  }
  ActivationRule rule;
  rule.divisor = rule.step = step_.item<double>();
  rule.high = rule.step * static_cast<double>(grid().high);
  return rule;
}

Slots LsqActivation::slots() const {
  return {{"step", step_, Slot::Role::kTrained, /*may_be_absent=*/true, /*low=*/kSmallestStep}};
}

bool LsqActivation::needs_calibration() const { return !(step_.item<double>() > 0); }

// A step that has been trained stays: statistics that are estimated anew are not its business.
void LsqActivation::begin_calibration() {
  is_calibrating_ = needs_calibration();
  calibration_sum_ = 0;
  calibration_batches_ = 0;
}

void LsqActivation::end_calibration() {
  if (!is_calibrating_) {
    return;
  }
  if (calibration_batches_ == 0) {
    throw std::logic_error("lsq activation: calibration ended without a batch");
  }
  is_calibrating_ = false;
  set_step(calibration_sum_ / static_cast<double>(calibration_batches_));
}

void LsqActivation::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", LSQ"; }

LsqGrid LsqActivation::grid() const { return {0, max_integer(bits_)}; }

void LsqActivation::set_step(double step) {
  torch::NoGradGuard no_grad;
  step_.fill_(step);
}

}  // namespace bsq
