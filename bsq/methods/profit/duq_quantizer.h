#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/methods/profit/duq_ste.h"
#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// The smallest number that DuQ's optimizer leaves in a slot: its softplus is 9e-14, still positive.
constexpr double kDuqLowest = -30;

/// The weight quantizer DuQ of PROFIT: n bits, integers -(2^(n-1)-1)..2^(n-1)-1, two trained slots, "a"
/// (clip) and "c" (range of the values), before their softplus. Each holds one number, or one for each output
/// channel.
class DuqQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "profit";
  static constexpr int64_t kFewestBits = 2;
  static constexpr int64_t kMostBits = 8;

  /// Throws std::invalid_argument for bits outside kFewestBits to kMostBits, for slots of different shapes
  /// and for numbers whose softplus is not positive and finite.
  DuqQuantizer(int64_t bits, const torch::Tensor& a, const torch::Tensor& c);
  /// With the start of the paper's code: a = c = ln(e^(0.9 max|w|) - 1), the same for every channel.
  static std::unique_ptr<DuqQuantizer> for_weights(const torch::Tensor& weight, int64_t bits,
                                                   bool is_channel_wise);
  /// The same numbers at another bit width.
  std::unique_ptr<DuqQuantizer> at_bits(int64_t bits) const;

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& weight) const override;
  Codes codes(const torch::Tensor& weight) const override;
  CodeFormat format() const override;
  std::string text() const override;
  Slots slots() const override;
  /// Throws std::invalid_argument as the constructor does: a file may hold any number.
  void refresh() override;
  std::unique_ptr<Quantizer> clone() const override { return at_bits(bits_); }

  /// A stored master weight; its slots are filled afterwards. Throws std::invalid_argument for another
  /// format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  int64_t bits_;
  torch::Tensor a_, c_;
};

}  // namespace bsq
