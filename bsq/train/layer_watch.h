#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// How a tensor that holds bits went through an epoch.
struct LayerRecord {
  std::string tensor;       ///< "layer1.0.conv1.weight"
  int64_t bits = 0;         ///< bit width
  double scale = 0;         ///< of the codes; of one a channel, the mean
  double mean_integer = 0;  ///< mean |integer - zero point|
  /// Percent of the integers that one step changes, the mean over the steps looked at; NaN for none.
  double changed_percent = 0;
};

/// Looks at the integers of a network's weights before and after a few steps of each epoch.
class LayerWatch {
 public:
  /// Steps of an epoch that it looks at, evenly spread, the first among them.
  static constexpr int64_t kSamples = 8;

  /// Before an epoch, and after weight sources have changed.
  void begin(Network& network);
  /// Around the step `index` of `steps`.
  void before_step(Network& network, int64_t index, int64_t steps);
  void after_step(Network& network);

  /// What is known of the epoch so far.
  std::vector<LayerRecord> records(Network& network) const;
  /// The counts of an unfinished epoch; files of older runs lack them.
  Slots slots() const { return {{"layer_watch", counts_, Slot::Role::kTracked, /*may_be_absent=*/true}}; }

 private:
  torch::Tensor counts_ = torch::zeros({1}, torch::kFloat64);  // steps; then of each source the shares' sum
  std::vector<torch::Tensor> integers_;                        // before the step, where it is looked at
};

}  // namespace bsq
