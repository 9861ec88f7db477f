#pragma once

#include <torch/types.h>

#include <string>

#include "bsq/methods/bsq/plane_weight.h"

namespace bsq {

/// What a step keeps of the average of a weight's squared gradients.
constexpr double kSensitivityMemory = 0.99;

/// What PlaneOptimizer keeps of one weight or bias.
struct PlaneGroup {
  std::string name;                                      ///< of the weight
  std::string positive_name, negative_name, scale_name;  ///< registered names
  PlaneWeight* weight;
  double factor;                                       ///< penalty_factor()
  torch::Tensor momentum_positive, momentum_negative;  ///< shaped as the planes
  torch::Tensor squares;                               ///< plane_squares(), unless a PlaneBank keeps them
  torch::Tensor momentum_scale;                        ///< of log s, with StepRule::kRelative
  torch::Tensor norm, sensitivity;                     ///< of the PlaneRule, or undefined
};

}  // namespace bsq
