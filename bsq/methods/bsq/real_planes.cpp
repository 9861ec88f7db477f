#include "bsq/methods/bsq/real_planes.h"

#include <torch/utils.h>

#include "bsq/methods/bsq/precision_adjustment.h"

namespace bsq {
namespace {

// What the planes stand for in units of the least significant one, before rounding.
torch::Tensor reals_of(const BitPlanes& planes) { return plane_sum(planes.positive, planes.negative); }

// s of `bits` planes whose least significant digit is worth `factor` of what it was.
torch::Tensor scale_of(const BitPlanes& planes, int64_t bits, double factor) {
  return planes.scale.mul(factor * static_cast<double>(max_integer(bits)))
      .div(static_cast<double>(max_integer(planes.bits())));
}

}  // namespace

BitPlanes planes_of_reals(const torch::Tensor& values, int64_t bits, const torch::Tensor& scale) {
  torch::NoGradGuard no_grad;
  const auto levels = static_cast<double>(max_integer(bits));
  const auto integers = values.round().clamp_(-levels, levels);
  auto planes = planes_of(integers, bits, scale);
  const auto rest = (values - integers).clamp_(-0.5, 0.5).to(scale.scalar_type());
  planes.positive[bits - 1].add_(rest.clamp_min(0));
  planes.negative[bits - 1].sub_(rest.clamp_max(0));
  return planes;
}

BitPlanes renewed(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  return planes_of_reals(reals_of(planes), planes.bits(), planes.scale);
}

BitPlanes widened_if_needed(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  const auto values = reals_of(planes);
  const int64_t bits = planes.bits();
  if (values.round().abs().max().item<double>() <= static_cast<double>(max_integer(bits))) {
    return planes_of_reals(values, bits, planes.scale);
  }
  return planes_of_reals(values, bits + 1, scale_of(planes, bits + 1, 1));
}

BitPlanes adjust_real(const BitPlanes& planes, double threshold_percent) {
  torch::NoGradGuard no_grad;
  const auto percent = [](const BitPlanes& real, int64_t plane) {
    const auto integers = reals_of(real).round();
    const auto digits = planes_of(integers, real.bits(), real.scale);
    return percent_of_ones(digits)[plane].item<double>();
  };
  auto left = planes;
  while (left.bits() > 1) {
    const double most = percent(left, 0);
    if (most != 0 && most >= threshold_percent) {
      break;
    }
    left = without_most_significant(left);
  }
  while (left.bits() > 1 && percent(left, left.bits() - 1) <= threshold_percent) {
    left = without_least_significant(left);
  }
  return left;
}

BitPlanes without_least_significant(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  const int64_t bits = planes.bits() - 1;
  return planes_of_reals(reals_of(planes).div(2), bits, scale_of(planes, bits, 2));
}

BitPlanes without_most_significant(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  const int64_t bits = planes.bits() - 1;
  return planes_of_reals(reals_of(planes), bits, scale_of(planes, bits, 1));
}

}  // namespace bsq
