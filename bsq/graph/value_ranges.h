#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "bsq/graph/program.h"

namespace bsq {

/// Smallest and largest value, 0 among them.
struct ValueRange {
  double low = 0, high = 0;
};

/// The ranges that the values of these nodes have on some batches, by the node's index. `program`: with
/// modules, in evaluation. `batches`: images as its input. It computes a node's value from the images anew,
/// once a node. Throws std::invalid_argument without a batch.
std::map<int64_t, ValueRange> value_ranges(const Program& program, const std::vector<int64_t>& nodes,
                                           const std::vector<torch::Tensor>& batches);

}  // namespace bsq
