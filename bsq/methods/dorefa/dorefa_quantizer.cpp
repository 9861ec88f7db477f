#include "bsq/methods/dorefa/dorefa_quantizer.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/dorefa/dorefa_ste.h"
#include "bsq/nn/master_weight.h"

namespace bsq {

DorefaQuantizer::DorefaQuantizer(int64_t bits) : bits_(bits) {
  if (bits < kFewestBits || bits > kMostBits) {
    throw std::invalid_argument("dorefa: " + std::to_string(bits) + " bits; expected " +
                                std::to_string(kFewestBits) + " to " + std::to_string(kMostBits));
  }
}

torch::Tensor DorefaQuantizer::forward(const torch::Tensor& weight) const {
  return bits_ == 1 ? dorefa_sign_ste(weight) : dorefa_weight_ste(weight, bits_);
}

Codes DorefaQuantizer::codes(const torch::Tensor& weight) const {
  torch::NoGradGuard no_grad;
  const auto value = forward(weight);
  Codes codes;
  codes.format = format();
  if (bits_ == 1) {
    codes.scale = weight.abs().mean();
    codes.integers = value.sign().to(torch::kInt32);
  } else {
    codes.scale = torch::ones({}, weight.options().requires_grad(false));
    codes.integers = value.mul(static_cast<double>(codes.format.levels)).round_().to(torch::kInt32);
  }
  return codes;
}

CodeFormat DorefaQuantizer::format() const { return dorefa_format(bits_); }

std::unique_ptr<Quantizer> DorefaQuantizer::clone() const { return std::make_unique<DorefaQuantizer>(bits_); }

std::unique_ptr<WeightSource> DorefaQuantizer::load(const StoredTensor& stored,
                                                    const torch::TensorOptions& options) {
  auto quantizer = std::make_unique<DorefaQuantizer>(stored.format.bits);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("dorefa: another grid of integers; expected steps of 2 around 0");
  }
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

}  // namespace bsq
