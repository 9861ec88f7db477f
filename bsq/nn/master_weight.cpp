#include "bsq/nn/master_weight.h"

#include <torch/utils.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace bsq {
namespace {

torch::Tensor leaf_of(const torch::Tensor& tensor, bool is_trained) {
  return tensor.detach().clone().set_requires_grad(is_trained);
}

// A grid whose points lie within [-1, 1], so that one learning rate serves every method's grid: levels and
// scale take the same power of two, which changes no value.
void scale_to_unit(Codes& codes) {
  const int64_t largest = std::max(std::abs(codes.format.low), std::abs(codes.format.high()));
  int64_t factor = 1;
  while (codes.format.levels * factor < largest) {
    factor *= 2;
  }
  if (factor > 1) {
    codes.format.levels *= factor;
    codes.scale = codes.scale * static_cast<double>(factor);
  }
}

std::unique_ptr<MasterWeight> frozen_weight(const torch::Tensor& q, const Codes& codes) {
  return std::make_unique<MasterWeight>(
      q, std::make_unique<GridQuantizer>(codes.format, codes.scale, codes.offset));
}

}  // namespace

MasterWeight::MasterWeight(torch::Tensor tensor) : tensor_(std::move(tensor)) {}

MasterWeight::MasterWeight(const torch::Tensor& tensor, std::unique_ptr<Quantizer> quantizer)
    : tensor_(leaf_of(tensor, quantizer->limits().is_trained)), quantizer_(std::move(quantizer)) {
  if (bits() == 0 && tensor_.ne(0).any().item<bool>()) {
    throw std::invalid_argument("0 bits, and values that are not 0; expected zeros");
  }
}

std::string MasterWeight::kind() const { return quantizer_ ? quantizer_->kind() : kFloatKind; }

torch::Tensor MasterWeight::value() const { return quantizer_ ? quantizer_->forward(tensor_) : tensor_; }

Slots MasterWeight::slots() const {
  if (!quantizer_) {
    return {{"weight", tensor_}};
  }
  const auto limits = quantizer_->limits();
  Slots slots = {{"weight", tensor_, Slot::Role::kTrained, /*may_be_absent=*/false, limits.low, limits.high}};
  const auto own = quantizer_->slots();
  slots.insert(slots.end(), own.begin(), own.end());
  return slots;
}

std::optional<Codes> MasterWeight::codes() const {
  if (!quantizer_) {
    return std::nullopt;
  }
  auto codes = quantizer_->codes(tensor_);
  drop_bits_if_zero(codes);
  return codes;
}

StoredTensor MasterWeight::store() const {
  StoredTensor stored;
  stored.value = tensor_.detach().clone().cpu().contiguous();
  if (quantizer_) {
    stored.encoding = Encoding::kLatent;
    stored.source = quantizer_->kind();
    stored.format = quantizer_->format();
    stored.bits = codes()->format.bits;
  }
  return stored;
}

void MasterWeight::refresh() {
  if (quantizer_) {
    quantizer_->refresh();
  }
}

std::unique_ptr<WeightSource> MasterWeight::clone() const {
  if (!quantizer_) {
    return std::make_unique<MasterWeight>(leaf_of(tensor_, tensor_.requires_grad()));
  }
  return std::make_unique<MasterWeight>(tensor_, quantizer_->clone());
}

std::unique_ptr<MasterWeight> make_frozen(const Codes& found) {
  torch::NoGradGuard no_grad;
  auto codes = found;
  if (codes.zero_point.defined()) {
    throw std::invalid_argument("codes with a zero point; expected a grid around 0");
  }
  make_scale_positive(codes);
  const auto q = codes.integers.to(codes.scale.scalar_type());
  if (codes.format.bits == 0) {
    return frozen_weight(torch::zeros_like(q), codes);
  }
  scale_to_unit(codes);
  return frozen_weight(q.div(static_cast<double>(codes.format.levels)), codes);
}

std::unique_ptr<MasterWeight> load_frozen(const StoredTensor& stored, const torch::TensorOptions& options) {
  Codes codes;
  codes.format = stored.format;
  codes.scale = torch::ones({}, options);  // filled from its own entry, as the offset is
  if (stored.source == GridQuantizer::kOffsetKind) {
    codes.offset = torch::zeros({}, options);
  }
  return frozen_weight(stored.value.to(options), codes);
}

std::unique_ptr<MasterWeight> make_float(const WeightSource& source) {
  torch::NoGradGuard no_grad;
  return std::make_unique<MasterWeight>(leaf_of(source.value(), /*is_trained=*/true));
}

}  // namespace bsq
