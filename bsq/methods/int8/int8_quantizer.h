#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bsq/methods/int8/affine.h"
#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// The quantizer of a layer's weight or bias: integers 0..2^n-1, and scale and offset from the tensor at
/// hand, anew in every forward pass. A tensor of two or more axes is a weight and has one range an output
/// channel; a tensor of one axis is a bias and has one range. Backward straight through. It owns no tensor.
class Int8Quantizer : public Quantizer {
 public:
  static constexpr const char* kKind = "int8";

  /// Throws std::invalid_argument for bits outside kMinBits to kMaxBits.
  explicit Int8Quantizer(int64_t bits);

  std::string kind() const override { return kKind; }
  torch::Tensor forward(const torch::Tensor& x) const override;
  Codes codes(const torch::Tensor& x) const override;
  CodeFormat format() const override { return affine_format(bits_); }
  std::unique_ptr<Quantizer> clone() const override { return std::make_unique<Int8Quantizer>(bits_); }

  /// A stored master tensor. Throws std::invalid_argument for another format.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

 private:
  int64_t bits_;
};

}  // namespace bsq
