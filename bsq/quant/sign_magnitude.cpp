#include "bsq/quant/sign_magnitude.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

namespace bsq {
namespace {

int64_t digits_of(int64_t integer) {
  int64_t digits = 0;
  for (; integer > 0; integer >>= 1) {
    ++digits;
  }
  return digits;
}

// Bitwise or of all integers; halves the tensor until one is left.
int64_t union_of(torch::Tensor magnitudes) {
  magnitudes = magnitudes.flatten();
  while (magnitudes.numel() > 1) {
    const int64_t half = magnitudes.numel() / 2;
    const auto rest = magnitudes.slice(/*dim=*/0, 2 * half);
    magnitudes =
        torch::cat({magnitudes.slice(0, 0, half).bitwise_or(magnitudes.slice(0, half, 2 * half)), rest});
  }
  return magnitudes.numel() == 0 ? 0 : magnitudes.item<int64_t>();
}

int64_t trailing_zeros(int64_t integer) {
  int64_t zeros = 0;
  for (; integer > 0 && integer % 2 == 0; integer /= 2) {
    ++zeros;
  }
  return zeros;
}

}  // namespace

Codes to_codes(const torch::Tensor& weight, int64_t bits) {
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
  Codes codes;
  codes.format = sign_magnitude(bits);
  codes.scale =
      weight.numel() == 0 ? torch::zeros({}, weight.options().requires_grad(false)) : magnitude.max();
  if (codes.scale.item<double>() == 0) {
    codes.integers = torch::zeros_like(magnitude, torch::kInt32);
    return codes;
  }
  const auto integer = magnitude.mul(static_cast<double>(max_integer(bits))).div_(codes.scale).round_();
  codes.integers = torch::where(weight > 0, integer, -integer).to(torch::kInt32);
  return codes;
}

Codes without_empty_digits(const Codes& codes) {
  if (!codes.format.has_sign_bit || codes.format.bits == 0) {
    return codes;
  }
  torch::NoGradGuard no_grad;
  const int64_t bits = codes.format.bits;
  const int64_t used = union_of(codes.integers.abs());
  const int64_t dropped = used == 0 ? 0 : trailing_zeros(used);
  const int64_t left = std::max<int64_t>(digits_of(used) - dropped, 1);
  Codes result = codes;
  result.format = sign_magnitude(left);
  result.integers = codes.integers.div(int64_t{1} << dropped, "trunc").to(torch::kInt32);
  result.scale = codes.scale.mul(std::ldexp(1.0, static_cast<int>(dropped)))
                     .mul(static_cast<double>(max_integer(left)))
                     .div(static_cast<double>(max_integer(bits)));
  return result;
}

torch::Tensor percent_of_ones(const Codes& codes) {
  const int64_t bits = codes.format.bits;
  const auto places =
      codes.format.has_sign_bit
          ? codes.integers.abs()
          : codes.integers.sub(codes.format.low).div(codes.format.step, "trunc").to(torch::kInt32);
  auto percent = torch::zeros({bits}, torch::kFloat64);
  const auto weights = static_cast<double>(std::max<int64_t>(places.numel(), 1));
  for (int64_t digit = 0; digit < bits; ++digit) {
    const auto ones = places.bitwise_and(int64_t{1} << (bits - 1 - digit)).ne(0).sum().item<double>();
    percent[digit] = 100.0 * ones / weights;
  }
  return percent;
}

}  // namespace bsq
