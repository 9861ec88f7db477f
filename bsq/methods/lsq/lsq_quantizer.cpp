#include "bsq/methods/lsq/lsq_quantizer.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

LsqGrid grid_of(const CodeFormat& format) { return {format.low, format.high()}; }

void check_step(const torch::Tensor& step) {
  if (step.dim() != 0) {
    throw std::invalid_argument("lsq: a step of shape " + c10::str(step.sizes()) + "; expected one number");
  }
  const double value = step.item<double>();
  if (!(value > 0 && std::isfinite(value))) {
    throw std::invalid_argument("lsq: a step of " + std::to_string(value) + "; expected a positive number");
  }
}

}  // namespace

LsqQuantizer::LsqQuantizer(int64_t bits, const torch::Tensor& step)
    : bits_(bits), step_(step.detach().clone().set_requires_grad(true)) {
  if (bits < kFewestBits || bits > kMaxBits) {
    throw std::invalid_argument("lsq: " + std::to_string(bits) + " bits; expected " +
                                std::to_string(kFewestBits) + " to " + std::to_string(kMaxBits));
  }
  check_step(step_);
}

std::unique_ptr<LsqQuantizer> LsqQuantizer::for_weights(const torch::Tensor& weight, int64_t bits) {
  const auto options = weight.options().requires_grad(false);
  const double start = lsq_start(weight, grid_of(twos_complement(bits)));
  return std::make_unique<LsqQuantizer>(bits, torch::full({}, start, options));
}

torch::Tensor LsqQuantizer::forward(const torch::Tensor& weight) const {
  return lsq_ste(weight, step_, grid_of(format()), weight.numel());
}

Codes LsqQuantizer::codes(const torch::Tensor& weight) const {
  torch::NoGradGuard no_grad;
  const auto grid = grid_of(format());
  Codes codes;
  codes.integers = weight.div(step_).clamp_(grid.low, grid.high).round_().to(torch::kInt32);
  codes.scale = step_.detach();
  codes.format = format();
  return codes;
}

Slots LsqQuantizer::slots() const {
  return {{"step", step_, Slot::Role::kTrained, /*may_be_absent=*/false, /*low=*/kSmallestStep}};
}

void LsqQuantizer::refresh() { check_step(step_); }

std::unique_ptr<Quantizer> LsqQuantizer::clone() const {
  return std::make_unique<LsqQuantizer>(bits_, step_);
}

std::unique_ptr<WeightSource> LsqQuantizer::load(const StoredTensor& stored,
                                                 const torch::TensorOptions& options) {
  auto quantizer = std::make_unique<LsqQuantizer>(stored.format.bits, torch::ones({}, options));
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("lsq: another grid of integers; expected two's complement");
  }
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

}  // namespace bsq
