#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/profit/duq_ste.h"
#include "bsq/quant/activation.h"

namespace bsq {

/// DuQ for activations: C round(clamp(x / A, 0, 1) (2^n-1)) / (2^n-1), with two trained slots, "a" and "c",
/// before their softplus. There is no ReLU inside: a negative value becomes 0 and passes no gradient.
/// Where its input may be negative it has the formula of weights: C round(clamp(x / A, -1, 1) L) / L,
/// L = 2^(n-1)-1 (of 2 to 16 bits; "Sym" in the published code).
///
/// A and C start at the 95 % point of a batch (duq_start(), duq_signed_start()). Calibration
/// takes the mean over its batches, during which the values pass unquantized. Once they have started,
/// calibration changes nothing. Without it they start at the first training batch; until then evaluation
/// takes each batch's own.
class DuqActivation : public Activation {
 public:
  static constexpr const char* kKind = "duq";
  /// The bit width at which values pass unquantized.
  static constexpr int64_t kOff = 32;

  /// Throws std::invalid_argument for bits that are neither kOff nor 1 to 16.
  explicit DuqActivation(int64_t bits);

  /// Throws std::invalid_argument for 1 bit where the input may be negative.
  void set_input(const ActivationInput& input) override;
  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return is_off() ? 0 : bits_; }
  Slots slots() const override;
  bool needs_calibration() const override;
  void begin_calibration() override;
  void end_calibration() override;
  void print(std::ostream& stream) const override;

  /// Another bit width; a and c stay. Throws what the constructor throws.
  void set_bits(int64_t bits);

 private:
  bool is_off() const { return bits_ == kOff; }
  bool has_started() const;
  int64_t checked(int64_t bits) const;
  DuqGrid grid() const;
  double start_of(const torch::Tensor& x) const;
  void start_at(double value);

  bool is_signed_ = false;
  int64_t bits_;
  torch::Tensor a_, c_;
  bool is_calibrating_ = false;
  double calibration_sum_ = 0;
  int64_t calibration_batches_ = 0;
};

/// Where A and C start: of the positive numbers of x, sorted, the one at int(0.95 count), at most 6; without
/// any 1e-3.
double duq_start(const torch::Tensor& x);
/// The same of the magnitudes of all numbers that are not 0, without the 6, which is that of a ReLU6.
double duq_signed_start(const torch::Tensor& x);

}  // namespace bsq
