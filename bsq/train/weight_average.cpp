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
    tensors_.emplace_back(item.key(), item.value().detach().clone());
  }
}

void WeightAverage::after_step(Network& network) {
  torch::NoGradGuard no_grad;
  const auto done = static_cast<double>(steps_.item<int64_t>());
  const double decay = std::min(decay_, (1 + done) / (10 + done));
  const auto parameters = network.named_parameters();
  for (auto& [name, average] : tensors_) {
    average.lerp_(parameters[name], 1 - decay);
  }
  steps_.add_(1);
}

void WeightAverage::exchange(Network& network) {
  torch::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  for (auto& [name, average] : tensors_) {
    auto parameter = parameters[name];
    const auto kept = parameter.detach().clone();
    parameter.copy_(average);
    average.copy_(kept);
  }
  for (const auto& ref : sources_of(network)) {
    ref.source().refresh();
  }
}

Slots WeightAverage::slots() const {
  Slots slots = {{"average_steps", steps_, Slot::Role::kTracked}};
  for (const auto& [name, average] : tensors_) {
    slots.push_back({"average." + name, average, Slot::Role::kTracked});
  }
  return slots;
}

}  // namespace bsq
