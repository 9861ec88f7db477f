#pragma once

#include <torch/types.h>

#include <memory>
#include <string>

#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// A weight of 1 bit with hysteresis: kept sign times mean|h|, h the hidden (master) weight. The gradient
/// goes straight through to h; there is no clipping. Slot "sign" (tracked, uint8, one a weight: 1 for +, 0
/// for -): inside the band of the loop it is no function of h, so files keep it. LoopOptimizer moves it.
class HysteresisQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "hysteresis";

  /// `signs`: uint8 of the weight's shape. Throws std::invalid_argument for numbers other than 0 and 1.
  explicit HysteresisQuantizer(const torch::Tensor& signs);
  /// With the signs that the weights have; + for 0.
  static std::unique_ptr<HysteresisQuantizer> for_weights(const torch::Tensor& hidden);

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& hidden) const override;
  Codes codes(const torch::Tensor& hidden) const override;
  /// The integers -1 and 1.
  CodeFormat format() const override;
  Slots slots() const override;
  /// Throws std::invalid_argument for signs other than 0 and 1: a file may hold any.
  void refresh() override;
  std::unique_ptr<Quantizer> clone() const override;

  const torch::Tensor& signs() const { return signs_; }

  /// A stored hidden weight; its signs are filled afterwards. Throws std::invalid_argument for another
  /// format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  torch::Tensor signs_;
};

}  // namespace bsq
