#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "bsq/quant/codes.h"

namespace bsq {

/// The bit representation of one tensor (BSQ, section 3.1): n bits are 2n planes of the tensor's shape, plane
/// first, plane 0 the most significant. Plane b weighs 2^(n-1-b); `positive` minus `negative` is the digit.
struct BitPlanes {
  torch::Tensor
      positive;  ///< (n, *shape), float32 or float64, contiguous; in [0, 2] while training, else 0 or 1
  torch::Tensor negative;  ///< (n, *shape), the same type
  torch::Tensor scale;     ///< 0-dimensional, the same type: what a value of 1 stands for

  int64_t bits() const { return positive.size(0); }
  int64_t weights() const { return positive.numel() / positive.size(0); }

  /// Throws std::invalid_argument that begins with `name` unless shapes, types, layout and width are as
  /// stated above.
  void check(const std::string& name) const;
};

/// 2^(bits-1-plane), the weight of a plane's digit.
inline int64_t digit_weight(int64_t bits, int64_t plane) { return int64_t{1} << (bits - 1 - plane); }

/// The signed integers sum_b (p_b - n_b) 2^(n-1-b), real-valued while planes are; shape and type of one
/// plane.
torch::Tensor plane_sum(const torch::Tensor& positive, const torch::Tensor& negative);

/// The binary planes of signed integers (any type, |integer| < 2^bits): positive numbers' digits in
/// `positive`, the others' in `negative`. The scale's type is the planes' type.
BitPlanes planes_of(const torch::Tensor& integers, int64_t bits, const torch::Tensor& scale);

/// Whether every digit is 0 or 1 and no weight has digits in both plane sets, so that a sign and n bits say
/// it all.
bool is_sign_magnitude(const BitPlanes& planes);

}  // namespace bsq
