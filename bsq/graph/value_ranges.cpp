#include "bsq/graph/value_ranges.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>

#include "bsq/graph/executor.h"

namespace bsq {
namespace {

ValueRange range_of(const Program& program, int64_t node, const std::vector<torch::Tensor>& batches) {
  const auto end = program.nodes().begin() + node + 1;
  const Executor executor(Program({program.nodes().begin(), end}, node));
  ValueRange range;
  for (const auto& images : batches) {
    const auto value = node == 0 ? images : executor.run(images);
    range.low = std::min(range.low, value.min().item<double>());
    range.high = std::max(range.high, value.max().item<double>());
  }
  return range;
}

}  // namespace

std::map<int64_t, ValueRange> value_ranges(const Program& program, const std::vector<int64_t>& nodes,
                                           const std::vector<torch::Tensor>& batches) {
  torch::NoGradGuard no_grad;
  if (batches.empty()) {
    throw std::invalid_argument("ranges of values: no batch; expected one or more");
  }
  std::map<int64_t, ValueRange> ranges;
  for (const int64_t node : nodes) {
    ranges[node] = range_of(program, node, batches);
  }
  return ranges;
}

}  // namespace bsq
