#include "bsq/methods/bsq/bit_planes.h"

#include <stdexcept>
#include <vector>

namespace bsq {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw std::invalid_argument(name + ": " + what);
}

}  // namespace

void BitPlanes::check(const std::string& name) const {
  if (!positive.defined() || !negative.defined() || !scale.defined()) {
    fail(name, "planes or scale missing");
  }
  if (positive.dim() < 1 || positive.sizes() != negative.sizes()) {
    fail(name, "positive planes " + c10::str(positive.sizes()) + " and negative planes " +
                   c10::str(negative.sizes()) + "; expected (bits, *shape) twice");
  }
  check_bits(name, bits());
  if (scale.dim() != 0) {
    fail(name, "scale of shape " + c10::str(scale.sizes()) + "; expected one number");
  }
  const auto type = positive.scalar_type();
  if ((type != torch::kFloat32 && type != torch::kFloat64) || negative.scalar_type() != type ||
      scale.scalar_type() != type) {
    fail(name, "planes and scale must share one type, float32 or float64");
  }
  if (!positive.is_contiguous() || !negative.is_contiguous()) {
    fail(name, "planes must be contiguous");
  }
}

torch::Tensor plane_sum(const torch::Tensor& positive, const torch::Tensor& negative) {
  const int64_t bits = positive.size(0);
  auto sum = torch::zeros_like(positive[0]);
  for (int64_t plane = 0; plane < bits; ++plane) {
    sum.add_(positive[plane] - negative[plane], static_cast<double>(digit_weight(bits, plane)));
  }
  return sum;
}

BitPlanes planes_of(const torch::Tensor& integers, int64_t bits, const torch::Tensor& scale) {
  const auto magnitude = integers.abs().to(torch::kInt64);
  const auto is_positive = integers > 0;
  std::vector<torch::Tensor> positive;
  std::vector<torch::Tensor> negative;
  for (int64_t plane = 0; plane < bits; ++plane) {
    const auto digit = magnitude.bitwise_and(digit_weight(bits, plane)).ne(0);
    positive.push_back(digit.logical_and(is_positive));
    negative.push_back(digit.logical_and(is_positive.logical_not()));
  }
  return {torch::stack(positive).to(scale.scalar_type()), torch::stack(negative).to(scale.scalar_type()),
          scale.detach().clone()};
}

bool is_sign_magnitude(const BitPlanes& planes) {
  const auto is_binary = [](const torch::Tensor& t) {
    return t.eq(0).logical_or(t.eq(1)).all().item<bool>();
  };
  if (!is_binary(planes.positive) || !is_binary(planes.negative)) {
    return false;
  }
  const auto both = planes.positive.amax(0).mul(planes.negative.amax(0));
  return both.numel() == 0 || both.max().item<double>() == 0;
}

}  // namespace bsq
