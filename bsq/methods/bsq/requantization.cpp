#include "bsq/methods/bsq/requantization.h"

#include <torch/utils.h>

#include "bsq/methods/bsq/reconstruction.h"

namespace bsq {

BitPlanes requantize(const BitPlanes& planes, int64_t max_bits) {
  torch::NoGradGuard no_grad;
  const int64_t bits = planes.bits();
  const auto levels = static_cast<double>(max_integer(bits));
  const auto q = plane_value(planes.positive, planes.negative);
  const auto integers = q.mul(levels).round_();
  if (integers.numel() == 0 || integers.abs().max().item<double>() <= levels) {
    return planes_of(integers, bits, planes.scale);
  }
  if (bits >= max_bits) {
    return planes_of(integers.clamp(-levels, levels), bits, planes.scale);
  }
  const auto wider = static_cast<double>(max_integer(bits + 1));
  return planes_of(integers.clamp(-wider, wider), bits + 1, planes.scale.mul(wider).div(levels));
}

}  // namespace bsq
