#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/activation.h"

namespace bsq {

struct UniformActivationOptions {
  explicit UniformActivationOptions(int64_t bits) : bits_(bits) {}
  /// Bit width k, 0 to 32. 0: the activation alone, not quantized; 1 to 3: PACT; 4 and more: ReLU6.
  TORCH_ARG(int64_t, bits);
  /// At test time: false, the range that training tracked; true, the maximum of the batch at hand, as
  /// published.
  TORCH_ARG(bool, batch_range) = false;
  /// Where PACT's alpha starts.
  TORCH_ARG(double, alpha) = 10.0;
  /// How fast the tracked range follows the batches' maxima, as in batch norm.
  TORCH_ARG(double, momentum) = 0.1;
};

/// ReLU6 or PACT, then a = S round(x (2^k-1) / S) / (2^k-1), where S is the maximum over the whole tensor,
/// backward straight through (design of the published BSQ code).
///
/// Slot `alpha` (0-dimensional, trained; PACT only). Slot `range` (0-dimensional, tracked; not for k = 0):
/// the running average of S over training batches, -1 while none was seen. In training the range is the
/// batch's own maximum, over all statistics_ranks(); in evaluation it is `range`, above which activations
/// saturate, or the batch's own with batch_range or while `range` is -1.
class UniformActivation : public Activation {
 public:
  /// Throws std::invalid_argument for a bit width outside 0 to 32.
  explicit UniformActivation(const UniformActivationOptions& options);

  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationCall> fused_call(bool is_training) const override;
  void observe(const torch::Tensor& maximum, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return options_.bits(); }
  Slots slots() const override;
  bool needs_calibration() const override;
  void begin_calibration() override;
  void end_calibration() override;
  void print(std::ostream& stream) const override;

 private:
  torch::Tensor activate(const torch::Tensor& x) const;
  torch::Tensor range_for(const torch::Tensor& activated, bool is_training);
  bool uses_stored_range(bool is_training) const;
  bool is_tracked() const;

  UniformActivationOptions options_;
  torch::Tensor alpha_, range_;
  bool is_calibrating_ = false;
  int64_t calibration_batches_ = 0;
};

}  // namespace bsq
