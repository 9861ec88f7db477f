#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bsq/quant/codes.h"

namespace bsq {

/// How a tensor is stored.
enum class Encoding {
  kFloat,   ///< an ordinary tensor: float parameter or buffer, any type
  kCodes,   ///< integers of a format and their scale
  kPlanes,  ///< bit planes in mid-training, real-valued
  kLatent   ///< the master tensor of a quantizer; the quantizer's own tensors are entries of their own
};

/// One tensor of a network as files hold it, on the CPU, contiguous.
struct StoredTensor {
  Encoding encoding = Encoding::kFloat;
  /// kPlanes and kLatent: the kind of weight source that takes the entry (bsq/nn/weight_source.h).
  std::string source;
  /// kFloat, kLatent: the tensor. kCodes: int32, the integers. kPlanes: undefined.
  torch::Tensor value;
  torch::Tensor positive;  ///< kPlanes: (planes, *shape), plane 0 the most significant
  torch::Tensor negative;  ///< kPlanes: (planes, *shape)
  torch::Tensor scale;     ///< kCodes: one number or one a channel; kPlanes: one number; else undefined
  torch::Tensor offset;    ///< kCodes: as many numbers as scale has, or undefined: 0
  CodeFormat format;       ///< all but kFloat: the grid
  int64_t bits = 0;  ///< all but kFloat: the bit width that counts, format.bits, or 0 where every value is 0

  at::IntArrayRef shape() const {
    return encoding == Encoding::kPlanes ? positive.sizes().slice(1) : value.sizes();
  }
  /// The type of the values that it stands for.
  torch::Dtype type() const {
    const auto& real = encoding == Encoding::kPlanes  ? positive
                       : encoding == Encoding::kCodes ? scale
                                                      : value;
    return real.scalar_type();
  }
};

/// All tensors of a network under their state-dict names ("layer1.0.conv1.weight"), in the network's own
/// order.
using NetworkState = std::vector<std::pair<std::string, StoredTensor>>;

}  // namespace bsq
