#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/activation.h"

namespace bsq {

/// DoReFa's activation in place of ReLU: dorefa_activation_ste(). Nothing is trained or tracked.
class DorefaActivation : public Activation {
 public:
  static constexpr const char* kKind = "dorefa";

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit DorefaActivation(int64_t bits);

  torch::Tensor forward(const torch::Tensor& x, bool is_training) override;
  std::optional<ActivationRule> rule() const override;
  int64_t bits() const override { return bits_; }
  void print(std::ostream& stream) const override;

 private:
  int64_t bits_;
};

}  // namespace bsq
