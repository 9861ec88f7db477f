#include "bsq/train/batch_loss.h"

#include <torch/nn/functional/loss.h>

#include "bsq/nn/network.h"

namespace bsq {

Batch on_device(const Batch& batch, torch::Device device) {
  auto moved = batch;
  moved.images = batch.images.to(device);
  moved.labels = batch.labels.to(device);
  if (batch.other_labels.defined()) {
    moved.other_labels = batch.other_labels.to(device);
  }
  return moved;
}

torch::Tensor batch_cross_entropy(const torch::Tensor& logits, const Batch& batch, double smoothing) {
  namespace F = torch::nn::functional;
  const auto options = F::CrossEntropyFuncOptions().label_smoothing(smoothing);
  const auto own = F::cross_entropy(logits, batch.labels, options);
  if (!batch.other_labels.defined()) {
    return own;
  }
  return own.mul(1 - batch.other_weight) +
         F::cross_entropy(logits, batch.other_labels, options).mul(batch.other_weight);
}

double correct_of_batch(const torch::Tensor& logits, const Batch& batch) {
  const auto guesses = logits.detach().argmax(/*dim=*/1);
  const auto count = [&](const torch::Tensor& labels) { return guesses.eq(labels).sum().item<double>(); };
  const double own = count(batch.labels);
  return batch.other_labels.defined() ? own + batch.other_weight * (count(batch.other_labels) - own) : own;
}

torch::Tensor training_loss(const torch::Tensor& cross_entropy, const torch::Tensor& logits,
                            const Batch& batch, double smoothing, const Distillation& distillation) {
  const auto loss = smoothing > 0 ? batch_cross_entropy(logits, batch, smoothing) : cross_entropy;
  if (!distillation.teacher) {
    return loss;
  }
  torch::Tensor wanted;
  {
    torch::NoGradGuard no_grad;
    wanted = distillation.teacher->forward(batch.images);
  }
  return loss.mul(distillation.label_weight.value_or(1 - distillation.weight)) +
         distillation_loss(logits, wanted, distillation.temperature).mul(distillation.weight);
}

}  // namespace bsq
