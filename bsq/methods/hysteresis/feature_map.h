#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/activation.h"

namespace bsq {

/// The quantizer of feature maps that the published network uses: the integers 0 to 2^bits-1 (fixed_map_ste).
/// Nothing is trained or tracked.
class FixedMap : public Activation {
 public:
  static constexpr const char* kKind = "hysteresis-fixed";

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit FixedMap(int64_t bits);

  void set_input(const ActivationInput& input) override { require_positive(input); }
  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  void print(std::ostream& stream) const override;

 private:
  int64_t bits_;
};

/// PACT as the published code has it (pact_map_ste). Slot "alpha" (trained, one number) starts at 2^bits-1,
/// so that the map begins as FixedMap nearly is. AlphaSteps trains it.
class PactMap : public Activation {
 public:
  static constexpr const char* kKind = "hysteresis-pact";
  /// Alpha never falls below: at 0 the quantizer would end. 2^-10 is the same number in every type.
  static constexpr double kSmallestAlpha = 1.0 / 1024;

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit PactMap(int64_t bits);

  void set_input(const ActivationInput& input) override { require_positive(input); }
  /// Throws bsq::Error for an alpha below kSmallestAlpha: a file may hold any.
  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  Slots slots() const override;
  void print(std::ostream& stream) const override;

  const torch::Tensor& alpha() const { return alpha_; }

 private:
  int64_t bits_;
  torch::Tensor alpha_;
};

}  // namespace bsq
