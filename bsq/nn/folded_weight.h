#pragma once

#include <torch/types.h>

#include <memory>
#include <string>

#include "bsq/nn/weight_source.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

/// A master weight W that is quantized with the gain of a batch norm folded in: with g = gamma / sqrt(V +
/// eps) of the norm behind the layer, Q(W g) has the integers that an inference without norms computes with.
///
/// The norm stays a batch norm, so the layer computes with Q(W g) / g, where g is 0 with 0. Then
///   norm(conv(x, Q(W g) / g)) = conv(x, Q(W g)) + beta - g R   in evaluation, to rounding,
/// and whoever reads codes, exports or fuses the network needs to know nothing of folding. The scale of
/// channel c is that of Q(W g), over g_c; it is negative where g_c is.
///
/// How such a layer is trained says bsq/graph/folded_norm.h.
class FoldedWeight : public WeightSource {
 public:
  /// Kinds are the quantizer's own with this behind.
  static constexpr const char* kSuffix = "_folded";

  /// `weight`: (out, ...); it becomes a leaf of its own. `gain`: (out), taken as a slot in the weight's type.
  /// Throws std::invalid_argument for a gain of another shape.
  FoldedWeight(const torch::Tensor& weight, std::unique_ptr<Quantizer> quantizer, const torch::Tensor& gain);

  std::string kind() const override { return quantizer_->kind() + kSuffix; }
  at::IntArrayRef shape() const override { return weight_.sizes(); }
  /// Q(W g) / g. The gradient reaches W alone: straight through the rounding, g is a constant.
  torch::Tensor value() const override;
  /// Q(W gain), differentiable in both. `gain`: (out).
  torch::Tensor folded_value(const torch::Tensor& gain) const;
  /// Q(W).
  torch::Tensor plain_value() const { return quantizer_->forward(weight_); }

  /// W, and "gain", which the owner of the norm keeps up to date.
  Slots slots() const override;
  std::optional<Codes> codes() const override;
  int64_t bits() const override { return quantizer_->format().bits; }
  std::string text() const override;
  StoredTensor store() const override;
  std::vector<std::string> covered_slots() const override { return {"weight"}; }
  void refresh() override { quantizer_->refresh(); }
  std::unique_ptr<WeightSource> clone() const override;

  const torch::Tensor& gain() const { return gain_; }
  /// Copies these numbers, (out).
  void set_gain(const torch::Tensor& gain);

 private:
  Codes scaled_codes() const;

  torch::Tensor weight_, gain_;
  std::unique_ptr<Quantizer> quantizer_;
};

}  // namespace bsq
