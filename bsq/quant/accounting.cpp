#include "bsq/quant/accounting.h"

namespace bsq {
namespace {

constexpr int64_t kFloatBits = 32;

}  // namespace

double Sizes::comp() const {
  return static_cast<double>(kFloatBits * weights) / static_cast<double>(bits_total);
}

double Sizes::comp_stored() const {
  return static_cast<double>(float32_bits) / static_cast<double>(stored_bits);
}

Sizes count_sizes(const std::vector<BitCount>& tensors, int64_t float_elements) {
  Sizes sizes;
  sizes.stored_bits = kFloatBits * float_elements;
  for (const auto& tensor : tensors) {
    sizes.weights += tensor.weights;
    sizes.bits_total += tensor.weights * tensor.bits;
    if (tensor.bits > 0) {
      sizes.stored_bits += tensor.weights * (tensor.bits + 1) + kFloatBits;
    }
  }
  sizes.float32_bits = kFloatBits * (sizes.weights + float_elements);
  return sizes;
}

}  // namespace bsq
