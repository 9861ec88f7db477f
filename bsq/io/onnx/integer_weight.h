#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// A weight for other programs: value = scale * integer.
struct IntegerWeight {
  torch::Tensor integers;   ///< int32
  torch::Tensor scale;      ///< float32, one number or one a channel (first axis), never 0
  bool is_bipolar = false;  ///< whether every integer is -1 or 1

  int64_t lowest() const { return integers.min().item<int64_t>(); }
  int64_t highest() const { return integers.max().item<int64_t>(); }
};

/// Of stored codes (kCodes). Scales are positive, and integers have the other sign, where a channel's scale
/// is negative and its turned integers lie on the grid; a scale of 0 becomes 1, and its integers 0. Throws
/// std::invalid_argument that begins with the name for codes with an offset.
IntegerWeight integer_weight(const std::string& name, const StoredTensor& stored);

/// The same values with integers times the largest power of two that keeps them within -limit to limit.
IntegerWeight widened(IntegerWeight weight, int64_t limit);

}  // namespace bsq
