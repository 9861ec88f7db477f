#include "bsq/methods/hysteresis/published_optimizer.h"

#include <torch/utils.h>

#include "bsq/methods/hysteresis/hysteresis_rule.h"

namespace bsq {
namespace {

std::set<std::string> joined(std::set<std::string> names, const std::set<std::string>& others) {
  names.insert(others.begin(), others.end());
  return names;
}

}  // namespace

PublishedOptimizer::PublishedOptimizer(torch::nn::Module& network, const SgdOptions& options,
                                       double threshold, const std::set<std::string>& binary)
    : options_(options),
      threshold_(threshold),
      alphas_(network),
      rest_(network, options, /*without=*/joined(binary, alphas_.names())) {
  for (const auto& item : network.named_parameters()) {
    if (binary.count(item.key()) > 0) {
      layers_.push_back({item.key(), item.value(), item.value().detach().clone(),
                         torch::zeros_like(item.value().detach())});
    }
  }
}

void PublishedOptimizer::zero_grad() {
  rest_.zero_grad();
  alphas_.zero_grad();
  for (auto& layer : layers_) {
    layer.visible.mutable_grad() = torch::Tensor();
  }
}

void PublishedOptimizer::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  rest_.step(learning_rate);
  alphas_.step();
  for (auto& layer : layers_) {
    if (!layer.visible.grad().defined()) {
      continue;
    }
    const auto before = layer.hidden.clone();
    const auto gradient = layer.visible.grad() + layer.visible * options_.weight_decay;
    sgd_step(layer.hidden, layer.momentum, gradient, {learning_rate, options_.momentum, /*weight_decay=*/0});
    layer.visible.copy_(published_weight(before, layer.hidden, threshold_));
  }
}

NamedTensors PublishedOptimizer::own_tensors() const {
  NamedTensors tensors;
  for (const auto& layer : layers_) {
    tensors.emplace_back(layer.name, layer.momentum);
    tensors.emplace_back(layer.name + ".hidden", layer.hidden);
  }
  return tensors;
}

std::map<std::string, torch::Tensor> PublishedOptimizer::state() const {
  auto state = rest_.state();
  state.merge(copy_tensors(own_tensors()));
  return state;
}

void PublishedOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  std::map<std::string, torch::Tensor> own, others = state;
  for (const auto& [name, tensor] : own_tensors()) {
    if (auto entry = others.extract(name)) {
      own.insert(std::move(entry));
    }
  }
  fill_tensors(own_tensors(), own);
  rest_.load(others);
}

}  // namespace bsq
