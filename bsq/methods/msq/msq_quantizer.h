#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// The weight quantizer of MSQ: a float weight w rounded to the integers -(2^n-1)..2^n-1 over 2^n-1, half to
/// even, times s = max|w|, which every forward pass takes anew and which passes no gradient. The gradient
/// goes straight through the rounding. A weight of zeros stays 0.
class MsqQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "msq";

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit MsqQuantizer(int64_t bits);

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& weight) const override;
  Codes codes(const torch::Tensor& weight) const override;
  CodeFormat format() const override { return sign_magnitude(bits_); }
  std::unique_ptr<Quantizer> clone() const override { return std::make_unique<MsqQuantizer>(bits_); }

  /// Throws std::invalid_argument for another format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  int64_t bits_;
};

/// How far the weights are from codes whose least significant bit is 0: the mean over the weights of
/// |w / step - 2 round(w / (2 step))| with step = max|w| / (2^n-1), 0 to 1. Its gradient goes to w alone;
/// differentiable but where it is 0 or 1.
torch::Tensor least_significant_part(const torch::Tensor& weight, int64_t bits);

/// The share of weights whose code is odd, 0 to 1: of those that use the least significant bit.
double least_significant_share(const Codes& codes);

}  // namespace bsq
