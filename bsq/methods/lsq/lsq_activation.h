#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/lsq/lsq_ste.h"
#include "bsq/quant/activation.h"

namespace bsq {

/// The activation of LSQ: s round(clamp(x / s, 0, 2^n-1)), one trained step (slot "step") an activation. The
/// step starts at 2 mean(max(x, 0)) / sqrt(2^n-1): its mean over calibration batches, or that of the first
/// training batch. Until then it is -1, and evaluation takes each batch's own.
class LsqActivation : public Activation {
 public:
  static constexpr const char* kKind = "lsq";

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit LsqActivation(int64_t bits);

  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  Slots slots() const override;
  bool needs_calibration() const override;
  void begin_calibration() override;
  void end_calibration() override;
  void print(std::ostream& stream) const override;

 private:
  LsqGrid grid() const;
  /// The step for a batch in calibration, or of an activation that has none.
  torch::Tensor first_step(const torch::Tensor& x, bool is_training);
  void set_step(double step);

  int64_t bits_;
  torch::Tensor step_;
  bool is_calibrating_ = false;
  double calibration_sum_ = 0;
  int64_t calibration_batches_ = 0;
};

}  // namespace bsq
