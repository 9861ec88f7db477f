#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "bsq/base/ranks.h"

namespace bsq {

/// The sum of the ranks' tensors, differentiable: of a loss that is the sum of the ranks' losses, the
/// gradient that arrives is summed over the ranks too. Any type and device.
torch::Tensor sum_over_ranks(Ranks& ranks, const torch::Tensor& tensor);

/// Of a batch, channel by channel.
struct BatchMoments {
  torch::Tensor mean, variance;  ///< (C); the biased variance
  double count = 0;              ///< values of a channel
};
/// Of x (B, C, H, W), differentiable, over the images of all ranks; `ranks` null: over those at hand. Throws
/// std::invalid_argument where a channel has less than two values.
BatchMoments batch_moments(const torch::Tensor& x, Ranks* ranks);

/// Moves the running statistics of a norm as libtorch does in training; without a momentum they are the mean
/// over all batches.
void track_moments(torch::nn::BatchNorm2dImpl& norm, const BatchMoments& batch);

/// The norm in training, with the statistics of all ranks' images. Operation by operation, in x's type: what
/// the fused one (bsq/quant/norm_act_ste.h) is held to.
torch::Tensor synchronized_batch_norm(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x, Ranks& ranks);

}  // namespace bsq
