#include "bsq/methods/msq/msq_quantizer.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

// max|w|; 1 for zeros, which stay 0 under any scale.
torch::Tensor scale_of(const torch::Tensor& weight) {
  const auto largest = weight.detach().abs().max();
  return torch::where(largest > 0, largest, torch::ones_like(largest));
}

}  // namespace

MsqQuantizer::MsqQuantizer(int64_t bits) : bits_(bits) { check_bits("msq", bits); }

torch::Tensor MsqQuantizer::forward(const torch::Tensor& weight) const {
  const auto scale = scale_of(weight);
  return round_to_grid_ste(weight / scale, format()) * scale;
}

Codes MsqQuantizer::codes(const torch::Tensor& weight) const {
  torch::NoGradGuard no_grad;
  Codes codes;
  codes.format = format();
  codes.scale = scale_of(weight);
  codes.integers = round_to_grid(weight / codes.scale, codes.format)
                       .mul_(static_cast<double>(codes.format.levels))
                       .round_()
                       .to(torch::kInt32);
  return codes;
}

std::unique_ptr<WeightSource> MsqQuantizer::load(const StoredTensor& stored,
                                                 const torch::TensorOptions& options) {
  auto quantizer = std::make_unique<MsqQuantizer>(stored.format.bits);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("msq: another grid of integers; expected sign and magnitude");
  }
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

torch::Tensor least_significant_part(const torch::Tensor& weight, int64_t bits) {
  const auto step = scale_of(weight) / static_cast<double>(max_integer(bits));
  const auto even = weight.detach().div(2 * step).round_().mul_(2 * step);
  return (weight - even).abs().mean() / step;
}

double least_significant_share(const Codes& codes) {
  return codes.integers.bitwise_and(1).to(torch::kFloat64).mean().item<double>();
}

}  // namespace bsq
