#include "bsq/quant/accounting.h"

namespace bsq {
namespace {

constexpr int64_t kFloatBits = 32;

}  // namespace

double Sizes::comp() const {
  return weights == 0 ? 1.0 : static_cast<double>(kFloatBits * weights) / static_cast<double>(bits_total);
}

double Sizes::comp_stored() const {
  return float32_bits == stored_bits ? 1.0
                                     : static_cast<double>(float32_bits) / static_cast<double>(stored_bits);
}

Sizes count_sizes(const std::vector<TensorBits>& tensors, int64_t float_elements) {
  Sizes sizes;
  sizes.float_elements = float_elements;
  sizes.stored_bits = kFloatBits * float_elements;
  for (const auto& tensor : tensors) {
    sizes.weights += tensor.weights;
    sizes.bits_total += tensor.weights * tensor.bits;
    if (tensor.bits > 0) {
      sizes.stored_bits += tensor.weights * (tensor.bits + (tensor.has_sign_bit ? 1 : 0)) + kFloatBits * tensor.scales;
    }
  }
  sizes.float32_bits = kFloatBits * (sizes.weights + float_elements);
  return sizes;
}

}  // namespace bsq
