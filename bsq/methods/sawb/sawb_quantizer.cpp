#include "bsq/methods/sawb/sawb_quantizer.h"

#include <torch/utils.h>

#include <stdexcept>
#include <utility>

#include "bsq/methods/sawb/sawb_ste.h"
#include "bsq/nn/folded_weight.h"
#include "bsq/nn/master_weight.h"

namespace bsq {

SawbQuantizer::SawbQuantizer(int64_t bits, SawbKind clip_kind) : bits_(bits), clip_kind_(clip_kind) {
  sawb_coefficients(bits);
}

torch::Tensor SawbQuantizer::forward(const torch::Tensor& weight) const {
  return sawb_ste(weight, bits_, clip_kind_);
}

Codes SawbQuantizer::codes(const torch::Tensor& weight) const {
  torch::NoGradGuard no_grad;
  const auto clip = sawb_clip(weight, bits_, clip_kind_);
  Codes codes;
  codes.integers = sawb_integers(weight, clip, bits_).to(torch::kInt32);
  codes.scale = sawb_scale(clip, bits_);
  codes.format = format();
  return codes;
}

std::unique_ptr<Quantizer> SawbQuantizer::clone() const {
  return std::make_unique<SawbQuantizer>(bits_, clip_kind_);
}

namespace {

std::unique_ptr<SawbQuantizer> quantizer_of(SawbKind clip_kind, const StoredTensor& stored) {
  auto quantizer = std::make_unique<SawbQuantizer>(stored.format.bits, clip_kind);
  if (stored.format != quantizer->format()) {
    throw std::invalid_argument("sawb: another grid of integers; expected two's complement");
  }
  if (stored.value.dim() == 0) {
    throw std::invalid_argument("sawb: a weight of one number; expected (out, ...)");
  }
  return quantizer;
}

}  // namespace

std::unique_ptr<WeightSource> SawbQuantizer::load(SawbKind clip_kind, const StoredTensor& stored,
                                                  const torch::TensorOptions& options) {
  auto quantizer = quantizer_of(clip_kind, stored);
  return std::make_unique<MasterWeight>(stored.value.to(options), std::move(quantizer));
}

std::unique_ptr<WeightSource> SawbQuantizer::load_folded(SawbKind clip_kind, const StoredTensor& stored,
                                                         const torch::TensorOptions& options) {
  auto quantizer = quantizer_of(clip_kind, stored);
  return std::make_unique<FoldedWeight>(stored.value.to(options), std::move(quantizer),
                                        torch::ones({stored.value.size(0)}, options));
}

}  // namespace bsq
