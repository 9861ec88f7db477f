#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// DoReFa's weight quantizer. It has no tensors of its own. The values of 2 to 8 bits lie in [-1, 1] (scale
/// 1); those of 1 bit are -mean|w| and mean|w|.
class DorefaQuantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "dorefa";
  static constexpr int64_t kFewestBits = 1;
  static constexpr int64_t kMostBits = 8;

  /// Throws std::invalid_argument for bits outside kFewestBits to kMostBits.
  explicit DorefaQuantizer(int64_t bits);

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& weight) const override;
  Codes codes(const torch::Tensor& weight) const override;
  CodeFormat format() const override;
  std::unique_ptr<Quantizer> clone() const override;

  /// A stored master weight. Throws std::invalid_argument for another format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  int64_t bits_;
};

}  // namespace bsq
