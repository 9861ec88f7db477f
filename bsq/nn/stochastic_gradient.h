#pragma once

#include <cstdint>
#include <utility>

#include "bsq/nn/gradient_quantizer.h"
#include "bsq/nn/noise_counter.h"

namespace bsq {

/// A gradient quantizer that rounds with a run's noise.
class StochasticGradient : public GradientQuantizer {
 protected:
  /// `tensor`: what tells this gradient from others of a step.
  StochasticGradient(int64_t bits, SharedNoiseCounter counter, uint64_t tensor)
      : bits_(bits), counter_(std::move(counter)), tensor_(tensor) {}

  int64_t bits() const { return bits_; }
  /// The noise of this gradient in the step at hand.
  NoiseKey noise() const { return counter_->key(tensor_); }

 private:
  int64_t bits_;
  SharedNoiseCounter counter_;
  uint64_t tensor_;
};

}  // namespace bsq
