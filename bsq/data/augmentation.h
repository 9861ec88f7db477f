#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "bsq/data/random.h"

namespace bsq {

/// Sets a square of `side` pixels of an image of a batch (B, 3, H, W) to 0, the mean of normalized images;
/// its centre is any pixel, and what lies outside is cut off (DeVries and Taylor, 2017, arXiv 1708.04552).
void cut_out(const torch::Tensor& batch, int64_t index, int64_t side, Random& random);

/// A draw from Beta(alpha, alpha), alpha more than 0.
double random_beta(double alpha, Random& random);

/// What is mixed into the images of a batch: image `partners[i]` into image i, with this weight.
struct Mix {
  std::vector<int64_t> partners;
  double weight = 0;
};

/// Blends each image of a batch with a partner: (1 - w) x + w y, w from Beta(alpha, alpha) for the whole
/// batch (Zhang et al., ICLR 2018, arXiv 1710.09412). Float32, float64 or bfloat16, any dense layout.
Mix mix_up(const torch::Tensor& batch, double alpha, Random& random);

/// Pastes a rectangle of a partner into each image of a batch, the same place in all. It covers a part of the
/// image drawn from Beta(alpha, alpha), and less where it lies over the edge; the weight is the part that it
/// covers (Yun et al., ICCV 2019, arXiv 1905.04899).
Mix cut_mix(const torch::Tensor& batch, double alpha, Random& random);

}  // namespace bsq
