#include "bsq/methods/bsq/precision_adjustment.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>
#include <string>

namespace bsq {
namespace {

bool is_below(double percent, double threshold) { return percent == 0 || percent < threshold; }

// Digits of 1 in every plane for the weights that have a digit in the given one.
void saturate(torch::Tensor planes, const torch::Tensor& dropped_plane) {
  planes.masked_fill_(dropped_plane.ne(0).unsqueeze(0), 1);
}

// In each dropped plane a weight has its digit in p or in n, never in both.
BitPlanes drop_most_significant(const BitPlanes& planes, double threshold) {
  BitPlanes left = planes;
  while (left.bits() > 1) {
    const auto digit = left.positive[0] - left.negative[0];
    const double percent = 100.0 * digit.ne(0).sum().item<double>() / static_cast<double>(digit.numel());
    if (!is_below(percent, threshold)) {
      break;
    }
    left.positive = left.positive.slice(/*dim=*/0, /*start=*/1).clone();
    left.negative = left.negative.slice(/*dim=*/0, /*start=*/1).clone();
    saturate(left.positive, digit.clamp_min(0));
    saturate(left.negative, digit.clamp_max(0));
  }
  return left;
}

int64_t count_droppable_least_significant(const BitPlanes& planes, double threshold) {
  const auto percent = percent_of_ones(planes);
  int64_t count = 0;
  while (count < planes.bits() - 1 && percent[planes.bits() - 1 - count].item<double>() <= threshold) {
    ++count;
  }
  return count;
}

}  // namespace

torch::Tensor percent_of_ones(const BitPlanes& planes) {
  const auto digits = (planes.positive - planes.negative).flatten(1).ne(0);
  return digits.sum(1).to(torch::kFloat64).mul_(100.0).div_(static_cast<double>(digits.size(1)));
}

bool is_all_zero(const BitPlanes& planes) { return torch::equal(planes.positive, planes.negative); }

BitPlanes adjust_precision(const BitPlanes& planes, double threshold_percent) {
  torch::NoGradGuard no_grad;
  if (!(threshold_percent >= 0 && threshold_percent < 100)) {
    throw std::invalid_argument("precision adjustment: threshold " + std::to_string(threshold_percent) +
                                "; expected percent from 0 to below 100");
  }
  const int64_t bits = planes.bits();
  auto left = drop_most_significant(planes, threshold_percent);
  const int64_t dropped = count_droppable_least_significant(left, threshold_percent);
  const int64_t bits_left = left.bits() - dropped;
  left.positive = left.positive.slice(/*dim=*/0, /*start=*/0, /*end=*/bits_left).clone();
  left.negative = left.negative.slice(/*dim=*/0, /*start=*/0, /*end=*/bits_left).clone();
  left.scale = planes.scale.mul(std::ldexp(1.0, static_cast<int>(dropped)))
                   .mul(static_cast<double>(max_integer(bits_left)))
                   .div(static_cast<double>(max_integer(bits)));
  return left;
}

}  // namespace bsq
