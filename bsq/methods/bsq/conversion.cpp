#include "bsq/methods/bsq/conversion.h"

#include <stdexcept>

namespace bsq {

BitPlanes to_bit_planes(const torch::Tensor& weight, int64_t bits) {
  torch::NoGradGuard no_grad;
  check_bits("conversion", bits);
  if (weight.scalar_type() != torch::kFloat32 && weight.scalar_type() != torch::kFloat64) {
    throw std::invalid_argument("conversion: a tensor of type " + c10::str(weight.scalar_type()) +
                                "; expected float32 or float64");
  }
  if (!weight.isfinite().all().item<bool>()) {
    throw std::invalid_argument("conversion: a weight is not finite");
  }
  const auto magnitude = weight.detach().abs();
  const auto scale = weight.numel() == 0 ? torch::zeros({}, weight.options()) : magnitude.max();
  if (scale.item<double>() == 0) {
    return planes_of(torch::zeros_like(magnitude), bits, scale);
  }
  const auto integer = magnitude.mul(static_cast<double>(max_integer(bits))).div_(scale).round_();
  return planes_of(torch::where(weight > 0, integer, -integer), bits, scale);
}

}  // namespace bsq
