#include "bsq/train/weight_average.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "bsq/nn/layers_of.h"

namespace bsq {

WeightAverage::WeightAverage(double decay) : decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    throw std::invalid_argument("average of weights: decay " + std::to_string(decay) +
                                "; expected 0 to below 1");
  }
}

void WeightAverage::begin(Network& network) {
  torch::NoGradGuard no_grad;
  steps_.zero_();
  tensors_.clear();
  for (const auto& item : network.named_parameters()) {
    tensors_.push_back({item.key(), item.value(), item.value().detach().clone()});
  }
}

void WeightAverage::after_step() {
  torch::NoGradGuard no_grad;
  const auto done = static_cast<double>(steps_.item<int64_t>());
  const double decay = std::min(decay_, (1 + done) / (10 + done));
  for (auto& tensor : tensors_) {
    tensor.average.lerp_(tensor.parameter, 1 - decay);
  }
  steps_.add_(1);
}

void WeightAverage::exchange(Network& network) {
  torch::NoGradGuard no_grad;
  for (auto& tensor : tensors_) {
    const auto kept = tensor.parameter.detach().clone();
    tensor.parameter.copy_(tensor.average);
    tensor.average.copy_(kept);
  }
  for (const auto& ref : sources_of(network)) {
    ref.source().refresh();
  }
}

Slots WeightAverage::slots() const {
  Slots slots = {{"average_steps", steps_, Slot::Role::kTracked}};
  for (const auto& tensor : tensors_) {
    slots.push_back({"average." + tensor.name, tensor.average, Slot::Role::kTracked});
  }
  return slots;
}

}  // namespace bsq
