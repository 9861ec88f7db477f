#include "bsq/methods/profit/duq_quantizer.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

constexpr double kPartOfLargest = 0.9;
constexpr double kSmallestClip = 1e-3;  // of a tensor of zeros

void check_slot(const char* name, const torch::Tensor& slot) {
  const auto value = duq_softplus(slot.detach());
  if (!(value > 0).logical_and(value.isfinite()).all().item<bool>()) {
    throw std::invalid_argument(std::string("profit: a number of ") + name +
                                " whose softplus is not positive and finite");
  }
}

void check_slots(const torch::Tensor& a, const torch::Tensor& c) {
  if (a.sizes() != c.sizes() || a.dim() > 1) {
    throw std::invalid_argument("profit: a of shape " + c10::str(a.sizes()) + " and c of shape " +
                                c10::str(c.sizes()) + "; expected one number each, or one a channel each");
  }
  check_slot("a", a);
  check_slot("c", c);
}

torch::Tensor slot_of(const torch::Tensor& numbers) {
  return numbers.detach().clone().set_requires_grad(true);
}

}  // namespace

DuqQuantizer::DuqQuantizer(int64_t bits, const torch::Tensor& a, const torch::Tensor& c)
    : bits_(bits), a_(slot_of(a)), c_(slot_of(c)) {
  if (bits < kFewestBits || bits > kMostBits) {
    throw std::invalid_argument("profit: " + std::to_string(bits) + " bits; expected " +
                                std::to_string(kFewestBits) + " to " + std::to_string(kMostBits));
  }
  check_slots(a_, c_);
}

std::unique_ptr<DuqQuantizer> DuqQuantizer::for_weights(const torch::Tensor& weight, int64_t bits,
                                                        bool is_channel_wise) {
  const double largest = weight.detach().abs().max().item<double>();
  const double start = duq_inverse_softplus(std::max(kPartOfLargest * largest, kSmallestClip));
  const std::vector<int64_t> shape(is_channel_wise ? 1 : 0, weight.size(0));
  const auto numbers = torch::full(shape, start, weight.options().requires_grad(false));
  return std::make_unique<DuqQuantizer>(bits, numbers, numbers);
}

std::unique_ptr<DuqQuantizer> DuqQuantizer::at_bits(int64_t bits) const {
  return std::make_unique<DuqQuantizer>(bits, a_, c_);
}

torch::Tensor DuqQuantizer::forward(const torch::Tensor& weight) const {
  return duq_ste(weight, a_, c_, duq_weight_grid(bits_));
}

Codes DuqQuantizer::codes(const torch::Tensor& weight) const {
  torch::NoGradGuard no_grad;
  Codes codes;
  codes.integers = duq_integers(weight, a_, duq_weight_grid(bits_)).to(torch::kInt32);
  codes.scale = duq_softplus(c_.detach());
  codes.format = format();
  return codes;
}

CodeFormat DuqQuantizer::format() const {
  const auto grid = duq_weight_grid(bits_);
  return {bits_, grid.levels, grid.low, /*step=*/1, /*has_sign_bit=*/false};
}

std::string DuqQuantizer::text() const {
  return a_.dim() == 0 ? "DuQ, one clip and range" : "DuQ, a clip and range for each channel";
}

Slots DuqQuantizer::slots() const {
  return {{"a", a_, Slot::Role::kTrained, /*may_be_absent=*/false, /*low=*/kDuqLowest},
          {"c", c_, Slot::Role::kTrained, /*may_be_absent=*/false, /*low=*/kDuqLowest}};
}

void DuqQuantizer::refresh() { check_slots(a_, c_); }

std::unique_ptr<WeightSource> DuqQuantizer::load(const StoredTensor& stored,
                                                 const torch::TensorOptions& options) {
  const auto zero = torch::zeros({}, options);
  auto quantizer = std::make_unique<DuqQuantizer>(stored.format.bits, zero, zero);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("profit: another grid of integers; expected one around 0");
  }
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

}  // namespace bsq
