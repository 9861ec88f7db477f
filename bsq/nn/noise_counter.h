#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "bsq/kernels/rounding_noise.h"
#include "bsq/quant/slot.h"

namespace bsq {

/// Where the noise of a run's stochastic rounding comes from. The noise of a step is a function of both
/// numbers and of the tensor's, so that a resumed run draws the same.
struct NoiseCounter {
  torch::Tensor seed = torch::zeros({}, torch::kInt64);
  torch::Tensor step = torch::zeros({}, torch::kInt64);

  /// Draws the seed from libtorch's generator, which --seed has set.
  void draw_seed();
  void next_step();
  /// The first number for the tensors of this rank: ranks differ in their noise. Of one process it is 0.
  static uint64_t first_tensor();
  /// For one tensor of the step at hand. Several backward passes before a step share it.
  NoiseKey key(uint64_t tensor) const;
  /// For a method's state(): "noise_seed" and "noise_step".
  Slots slots();
};

/// Gradient quantizers read what the method writes.
using SharedNoiseCounter = std::shared_ptr<const NoiseCounter>;

}  // namespace bsq
