#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bsq/nn/weight_source.h"

namespace bsq {

/// A weight of CSQ: bit planes and a mask over them, all of them sigmoids (CSQ, section 3). With temperature
/// t
///     W = s / c(t) sum_b (sigmoid(t p_b) - sigmoid(t n_b)) sigmoid(t m_b) 2^(n-1-b) / (2^n-1),
/// plane 0 the most significant. As t grows, every sigmoid becomes 0 or 1. c(t) = (2 sigmoid(t) - 1)
/// sigmoid(t), which becomes 1, is what a digit of 1 comes to with logits of 1 and -1: so the soft and the
/// hard weight have one size. The paper leaves that to s.
///
/// Without gradients (evaluation, files, sizes) the weight is the hard one, with [x > 0] in place of
/// sigmoid(t x): that is what its codes say and what a file stores.
class CsqWeight : public WeightSource {
 public:
  static constexpr const char* kKind = "csq";

  /// What the logits begin with: sigmoid(1) and sigmoid(-1) stand for 1 and 0.
  static constexpr double kFirstLogit = 1;

  /// From a float weight: its digits at `bits` bits as in BSQ's conversion, every mask on, temperature 1. The
  /// soft and the hard weight are the same. Throws std::invalid_argument for what to_bit_planes() refuses.
  static std::unique_ptr<CsqWeight> of(const torch::Tensor& weight, int64_t bits);

  std::string kind() const override { return kKind; }
  at::IntArrayRef shape() const override { return positive_.sizes().slice(1); }
  torch::Tensor value() const override;
  /// pweight, nweight: logits (n, *shape); mask: logits (n); scale, temperature: one number each.
  Slots slots() const override;
  std::optional<Codes> codes() const override;
  /// The number of planes.
  int64_t bits() const override { return positive_.size(0); }
  /// Planes whose mask is on.
  int64_t bits_on() const;
  StoredTensor store() const override;
  std::vector<std::string> covered_slots() const override { return {"pweight", "nweight", "scale"}; }
  std::unique_ptr<WeightSource> clone() const override;
  /// Of a stored entry in planes. Throws std::invalid_argument for another one.
  static std::unique_ptr<WeightSource> load(const StoredTensor& stored, const torch::TensorOptions& options);

  /// Throws std::invalid_argument for a temperature that is not a finite number above 0: a file may hold any.
  void refresh() override;
  void set_temperature(double temperature);
  /// sum_b sigmoid(t m_b), differentiable.
  torch::Tensor soft_bits() const;
  /// What the logits' gradients are divided by, so that the first step moves W as far as one of a float
  /// weight would: the sum over all logits of a weight of (dW / dlogit)^2 at temperature 1.
  double step_size() const;

 private:
  CsqWeight(const torch::Tensor& positive, const torch::Tensor& negative, const torch::Tensor& scale);
  torch::Tensor soft_value() const;

  torch::Tensor positive_, negative_, mask_, scale_, temperature_;
};

}  // namespace bsq
