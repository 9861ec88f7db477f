#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/methods/lsq/lsq_ste.h"
#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// The weight quantizer of LSQ: integers -2^(n-1)..2^(n-1)-1 and one trained step a layer (slot "step").
class LsqQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "lsq";
  /// With 1 bit the largest integer would be 0.
  static constexpr int64_t kFewestBits = 2;

  /// Throws std::invalid_argument for bits outside kFewestBits to kMaxBits and for a step that is not one
  /// positive number.
  LsqQuantizer(int64_t bits, const torch::Tensor& step);
  /// With the step that the paper starts from.
  static std::unique_ptr<LsqQuantizer> for_weights(const torch::Tensor& weight, int64_t bits);

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& weight) const override;
  Codes codes(const torch::Tensor& weight) const override;
  CodeFormat format() const override { return twos_complement(bits_); }
  Slots slots() const override;
  /// Throws std::invalid_argument for a step that is not one positive number: a file may hold any.
  void refresh() override;
  std::unique_ptr<Quantizer> clone() const override;

  /// A stored master weight; its step is filled afterwards. Throws std::invalid_argument for another format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  int64_t bits_;
  torch::Tensor step_;
};

}  // namespace bsq
