#include "bsq/methods/int8/int8_quantizer.h"

#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

AffineRange range_of(const torch::Tensor& x) {
  return x.dim() > 1 ? range_of_channels(x) : range_of_tensor(x);
}

}  // namespace

Int8Quantizer::Int8Quantizer(int64_t bits) : bits_(bits) { check_bits("int8", bits); }

torch::Tensor Int8Quantizer::forward(const torch::Tensor& x) const {
  return affine_quantize_ste(x, range_of(x), bits_);
}

Codes Int8Quantizer::codes(const torch::Tensor& x) const { return affine_codes(x, range_of(x), bits_); }

std::unique_ptr<WeightSource> Int8Quantizer::load(const StoredTensor& stored,
                                                  const torch::TensorOptions& options) {
  auto quantizer = std::make_unique<Int8Quantizer>(stored.format.bits);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("int8: another grid of integers; expected 0 to 2^bits - 1");
  }
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

}  // namespace bsq
