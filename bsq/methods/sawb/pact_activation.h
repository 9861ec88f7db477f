#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/activation.h"

namespace bsq {

/// PACT in front of a layer: pact_clip_ste() with one trained number (slot "alpha"), at least kSmallestAlpha
/// after each step. What it reads comes from a ReLU.
class PactActivation : public Activation {
 public:
  static constexpr const char* kKind = "pact";
  static constexpr int64_t kFewestBits = 2;
  static constexpr int64_t kMostBits = 8;
  static constexpr double kSmallestAlpha = 1e-3;
  /// Where alpha starts, as published.
  static constexpr double kStart = 10;

  /// Throws std::invalid_argument for bits outside kFewestBits to kMostBits.
  explicit PactActivation(int64_t bits);

  void set_input(const ActivationInput& input) override { require_positive(input); }
  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  /// Of a value below 0 the integer is below 0 too, as far as it goes.
  Slots slots() const override;
  void print(std::ostream& stream) const override;

  /// One number.
  const torch::Tensor& alpha() const { return alpha_; }
  /// Throws std::invalid_argument for a number below kSmallestAlpha.
  void set_alpha(double alpha);

 private:
  int64_t bits_;
  torch::Tensor alpha_;
};

}  // namespace bsq
