#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// The exponential moving average of a network's parameters over the steps of a run: with n steps behind it,
///     average = d average + (1 - d) parameter,  d = min(decay, (1 + n) / (10 + n)),
/// so that the first steps, which are far from the last ones, are soon forgotten. Of a weight with bits it is
/// the trained numbers behind them that are averaged. Buffers, such as running statistics, are not: whoever
/// evaluates the average estimates them anew.
class WeightAverage {
 public:
  /// Throws std::invalid_argument for a decay outside 0 to below 1.
  explicit WeightAverage(double decay);

  /// Begins with the parameters as they are: before the first step, and after weight sources have changed.
  void begin(Network& network);
  void after_step();
  /// Puts the average in place of the parameters and keeps these, or the other way round.
  void exchange(Network& network);

  /// What a run needs to go on, once begin() has been called: "average.conv1.weight" and "average_steps".
  Slots slots() const;

 private:
  struct Averaged {
    std::string name;
    torch::Tensor parameter, average;
  };

  double decay_;
  torch::Tensor steps_ = torch::zeros({}, torch::kInt64);
  std::vector<Averaged> tensors_;
};

}  // namespace bsq
