#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "bsq/methods/bsq/bit_planes.h"
#include "bsq/nn/weight_source.h"

namespace bsq {

/// A weight or bias that is bit planes and a scale (BSQ, equation 3): W = s Q.
///
/// The planes have no gradients of their own. Layers compute with one leaf tensor W, on which autograd
/// collects dL/dW over all forward passes before a step; PlaneOptimizer makes the planes' gradients from it
/// in its one pass over memory.
class PlaneWeight : public WeightSource {
 public:
  static constexpr const char* kKind = "bsq";

  /// Copies the planes. Throws std::invalid_argument for planes that break BitPlanes' contract.
  explicit PlaneWeight(const BitPlanes& planes);

  std::string kind() const override { return kKind; }
  at::IntArrayRef shape() const override { return leaf_.sizes(); }
  torch::Tensor value() const override { return leaf_; }
  /// pweight, nweight, scale.
  Slots slots() const override;
  std::vector<torch::Tensor> gradient_leaves() const override { return {leaf_}; }
  std::optional<Codes> codes() const override;
  /// The number of planes, also where no plane has a digit.
  int64_t bits() const override { return planes_.bits(); }
  /// Digits of 0 and 1 with one sign a weight as codes, real-valued planes as planes.
  StoredTensor store() const override;
  std::vector<std::string> covered_slots() const override { return {"pweight", "nweight", "scale"}; }
  /// Computes W and Q anew after the planes or the scale have changed.
  void refresh() override;
  /// The same with the scale that makes |W| this; where that or every digit is 0 the scale stays.
  void refresh_to_norm(double norm);
  std::unique_ptr<WeightSource> clone() const override;
  /// Of a stored entry in planes. Throws std::invalid_argument for another one.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

  /// Who changes them calls refresh().
  BitPlanes& planes() { return planes_; }
  const BitPlanes& planes() const { return planes_; }

  /// dL/dW, summed over the backward passes since it was cleared; undefined before the first.
  torch::Tensor weight_gradient() const { return leaf_.grad(); }
  void clear_weight_gradient() { leaf_.mutable_grad() = torch::Tensor(); }
  /// Q and W lie in these tensors of the weight's shape and type from now on. They hold Q and W.
  void keep_values_in(const torch::Tensor& rounded, const torch::Tensor& value);
  /// Q, the rounded value before scaling.
  const torch::Tensor& rounded_value() const { return rounded_; }

 private:
  void multiply();

  BitPlanes planes_;
  torch::Tensor leaf_, rounded_;
};

}  // namespace bsq
