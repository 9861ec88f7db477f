#pragma once

#include <torch/types.h>

#include <string>

#include "bsq/methods/bsq/plane_weight.h"

namespace bsq {

/// What a step keeps of the average of a weight's squared gradients.
constexpr double kSensitivityMemory = 0.99;

/// f_b = 2^(n-1-b) / (2^n - 1): what a digit of plane b adds to q.
inline double plane_factor(int64_t bits, int64_t plane) {
  return static_cast<double>(digit_weight(bits, plane)) / static_cast<double>(max_integer(bits));
}

/// 2 sum_b f_b^2: what a step of 1 in the direction of q's gradient moves q by, over all planes.
inline double plane_gain(int64_t bits) {
  double sum = 0;
  for (int64_t plane = 0; plane < bits; ++plane) {
    sum += 2 * plane_factor(bits, plane) * plane_factor(bits, plane);
  }
  return sum;
}

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
