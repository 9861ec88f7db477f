#pragma once

#include <torch/types.h>

#include "bsq/data/loader.h"
#include "bsq/train/distillation.h"

namespace bsq {

/// The batch with its images and labels on this device.
Batch on_device(const Batch& batch, torch::Device device);

/// Mean cross entropy of the logits (images, classes), with gradients. Of mixed images (mixup, CutMix) both
/// labels count by their parts. `smoothing`: label smoothing, 0 to below 1.
torch::Tensor batch_cross_entropy(const torch::Tensor& logits, const Batch& batch, double smoothing);

/// How many images have their label as the largest logit. Of mixed images both labels count by their parts.
double correct_of_batch(const torch::Tensor& logits, const Batch& batch);

/// The loss to train with: label smoothing and the teacher's part put into batch_cross_entropy(..., 0), which
/// is `cross_entropy`. Returns that itself where there is neither.
torch::Tensor training_loss(const torch::Tensor& cross_entropy, const torch::Tensor& logits,
                            const Batch& batch, double smoothing, const Distillation& distillation);

}  // namespace bsq
