#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "bsq/quant/slot.h"

namespace bsq {

/// A norm over the channels of (B, C, H, W) that is not batch norm. Its tensors are its slots.
class NormModule : public SlotModule {
 public:
  /// Differentiable; tracks statistics in training, uses the tracked ones in evaluation.
  virtual torch::Tensor forward(const torch::Tensor& x) = 0;
  /// Takes gain, shift and statistics of a trained batch norm of as many channels, as far as they have a
  /// meaning here.
  virtual void take(const torch::nn::BatchNorm2dImpl& norm) = 0;
  /// From begin to end, forward() in training mode averages the statistics of its batches over all of them;
  /// end_estimate() keeps these averages. Without a batch between, nothing changes.
  virtual void begin_estimate() = 0;
  virtual void end_estimate() = 0;
};

}  // namespace bsq
