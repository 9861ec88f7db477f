#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "bsq/methods/bsq/plane_group.h"
#include "bsq/nn/step_rule.h"

namespace bsq {

/// The numbers of one step of a PlaneBank.
struct BankStep {
  double learning_rate, momentum, weight_decay;
  double alpha;  ///< strength of the penalty; 0 for none
};

/// The planes of all weights of a network in one piece of memory, so that one operation serves all of them.
/// On a GPU that decides what a step costs: an operation on one weight takes longer to start than to compute,
/// and every number that the CPU reads waits for the GPU. The rules are those of PlaneOptimizer and
/// step_planes(); sums are taken in another order.
///
/// Planes lie as (2, R, C, kBlock): the positive and the negative ones, R the largest bit width, C blocks of
/// kBlock weights. Each weight begins a block. Planes beyond a weight's bit width and weights beyond its size
/// stay 0.
class PlaneBank {
 public:
  static constexpr int64_t kBlock = 256;

  /// Moves the groups' planes, scales, momenta and sensitivities into the bank: the tensors stay the same
  /// objects with the same values, as views of its memory. All have one type and lie on one device.
  PlaneBank(std::vector<PlaneGroup>& groups, StepRule rule);

  /// One step of all planes and scales; refresh() has to follow. With StepRule::kPublished scales get their
  /// gradient instead of a step. A weight without a gradient stays as it is.
  void step(const BankStep& step);
  /// Computes Q and W of all weights anew from planes and scales. With StepRule::kRelative the scales become
  /// those that keep the norms.
  void refresh();
  /// sum_l (N_l n_l) B_l / N, N_l of N weights, before the last step; 0-dimensional, float64, on the device.
  const torch::Tensor& group_norms() const { return group_norms_; }

 private:
  void move_in(PlaneGroup& group, int64_t index, int64_t first_block);
  void make_constants(const std::vector<int64_t>& blocks);
  torch::Tensor over_blocks(const torch::Tensor& of_groups) const;
  torch::Tensor sums_over_groups(const torch::Tensor& of_weights) const;
  torch::Tensor gradient_of_all(std::vector<double>& has_gradient) const;
  void update_squares();
  void update_group_norms();
  void step_planes(const BankStep& step, const torch::Tensor& is_moved);
  void step_scales(const BankStep& step, const torch::Tensor& gradient, const torch::Tensor& is_moved);
  void give_scale_gradients(const torch::Tensor& gradient, const std::vector<double>& has_gradient);

  std::vector<PlaneGroup>& groups_;
  StepRule rule_;
  torch::Tensor planes_, momenta_;        // (2, R, C, kBlock)
  torch::Tensor rounded_, values_;        // (C, kBlock)
  torch::Tensor scales_, scale_momenta_;  // (G), the planes' type
  torch::Tensor sensitivities_;           // (G), float64, or undefined
  torch::Tensor squares_;                 // (R, G), float64
  torch::Tensor group_norms_;             // (), float64
  // Constants of the network. f_b = 2^(n-1-b) / (2^n - 1), with the sign of the planes; 0 where is no plane.
  torch::Tensor group_of_block_;             // (C), int64
  torch::Tensor is_of_group_;                // (C, G), float64: 0 or 1
  torch::Tensor digits_, levels_, factors_;  // 2^(n-1-b) (R, C, 1), 2^n - 1 (C, 1), f_b (2, R, C, 1)
  torch::Tensor gains_, sizes_;              // (G), float64: 2 sum_b f_b^2, numbers of weights
  torch::Tensor penalty_factors_;            // (R, G), float64; 0 where is no plane
  torch::Tensor norms_, has_norm_;           // (G), float64 and bool
  std::vector<torch::Tensor> padding_;       // zeros behind each weight
};

}  // namespace bsq
