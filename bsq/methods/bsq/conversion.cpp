#include "bsq/methods/bsq/conversion.h"

#include "bsq/quant/sign_magnitude.h"

namespace bsq {

BitPlanes to_bit_planes(const torch::Tensor& weight, int64_t bits) {
  const auto codes = to_codes(weight, bits);
  return planes_of(codes.integers, bits, codes.scale);
}

}  // namespace bsq
