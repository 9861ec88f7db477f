#pragma once

#include <torch/types.h>

#include <memory>
#include <optional>

#include "bsq/nn/network.h"

namespace bsq {

/// A teacher, whose outputs a network learns beside the labels (Hinton, Vinyals, Dean, 2015).
struct Distillation {
  std::shared_ptr<Network> teacher;    ///< null: none
  double weight = 0.5;                 ///< of the teacher's part of the loss
  std::optional<double> label_weight;  ///< of the labels' part; nothing: 1 - weight
  double temperature = 4;
};

/// T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over the batch; differentiable in the
/// student's logits. Both are (B, classes).
torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                                double temperature);

}  // namespace bsq
