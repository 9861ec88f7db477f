#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/int8/affine.h"
#include "bsq/quant/activation.h"

namespace bsq {

/// Quantizes what a layer or a norm reads to 2^n values, of either sign, and applies no other function. In
/// training the range is the batch's own (range_of_samples()); evaluation takes the tracked one. Backward
/// straight through.
///
/// Slots "low" and "range", tracked as run = (1 - m) run + m new. m is 0.9: the published code calls the
/// share of the old value momentum, and has 0.1. The first batch sets both; until then the range is -1, and
/// evaluation takes each batch's own (the published code starts at 0, and evaluates an untrained network to
/// 0).
class Int8Activation : public Activation {
 public:
  static constexpr const char* kKind = "int8";
  static constexpr double kMomentum = 0.9;

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits. `momentum`: the share of the new
  /// value.
  explicit Int8Activation(int64_t bits, double momentum = kMomentum);

  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  Slots slots() const override;
  bool needs_calibration() const override;
  void begin_calibration() override;
  void end_calibration() override;
  void print(std::ostream& stream) const override;

 private:
  AffineRange range_for(const torch::Tensor& x, bool is_training);
  void track(const AffineRange& found);

  int64_t bits_;
  double momentum_;
  torch::Tensor low_, range_;
  bool is_calibrating_ = false;
  int64_t calibration_batches_ = 0;
};

}  // namespace bsq
