#pragma once

#include <torch/types.h>

namespace bsq {

/// How far a hidden weight has to go beyond zero before the weight's sign follows it.
struct LoopThreshold {
  double value = 0;          ///< T, 0 or more
  bool is_relative = false;  ///< in units of the layer's scale, mean|h|
};

/// mean|h| over the whole tensor: the one scale of a layer. 0-dimensional, in h's type. No gradient.
torch::Tensor mean_magnitude(const torch::Tensor& hidden);

/// The signs that a layer begins with: uint8, 1 for + (h >= 0), 0 for -.
torch::Tensor signs_of(const torch::Tensor& hidden);

/// The loop. A sign becomes + where h >= T and h > 0, - where h <= -T and h < 0, and stays as it is
/// elsewhere. `signs` is changed in place: uint8 of h's shape, 1 for +, 0 for -.
void follow(torch::Tensor signs, const torch::Tensor& hidden, const LoopThreshold& threshold);

/// What the published optimizer makes of a hidden weight before and after a step: sign(after) s, where the
/// signs agree or where the weight has changed its sign and |after| >= T; after s, a number near 0, elsewhere
/// (also where one of the two is 0). s = mean|after|. It has a memory of one step and is no loop.
torch::Tensor published_weight(const torch::Tensor& before, const torch::Tensor& after, double threshold);

}  // namespace bsq
