#pragma once

#include <torch/types.h>

#include <memory>

#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// One trained tensor and, unless it is a float weight, the quantizer between it and the layer.
class MasterWeight : public WeightSource {
 public:
  /// A float weight.
  explicit MasterWeight(torch::Tensor tensor);
  /// The tensor becomes the master: a leaf of its own, trained as the quantizer says. Throws
  /// std::invalid_argument for a quantizer of 0 bits and a tensor that is not all 0.
  MasterWeight(const torch::Tensor& tensor, std::unique_ptr<Quantizer> quantizer);

  std::string kind() const override;
  at::IntArrayRef shape() const override { return tensor_.sizes(); }
  torch::Tensor value() const override;
  Slots slots() const override;
  std::optional<Codes> codes() const override;
  int64_t bits() const override { return quantizer_ ? quantizer_->format().bits : 0; }
  std::string text() const override { return quantizer_ ? quantizer_->text() : ""; }
  StoredTensor store() const override;
  std::vector<std::string> covered_slots() const override { return {"weight"}; }
  void refresh() override;
  std::unique_ptr<WeightSource> clone() const override;

  const torch::Tensor& tensor() const { return tensor_; }
  /// Null for a float weight.
  const Quantizer* quantizer() const { return quantizer_.get(); }

 private:
  torch::Tensor tensor_;
  std::unique_ptr<Quantizer> quantizer_;
};

/// The fixed grid of codes ("frozen"), at the codes' values: what is trained is q, the integers over the
/// levels. Throws std::invalid_argument for codes with a zero point.
std::unique_ptr<MasterWeight> make_frozen(const Codes& codes);
/// A stored q; the scale is an entry of its own and filled afterwards.
std::unique_ptr<MasterWeight> load_frozen(const StoredTensor& stored, const torch::TensorOptions& options);
/// The values that a source computes with, as a float weight.
std::unique_ptr<MasterWeight> make_float(const WeightSource& source);

}  // namespace bsq
