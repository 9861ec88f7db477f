#include "bsq/train/optimizer.h"

#include <cmath>
#include <stdexcept>

#include "bsq/kernels/sgd_step.h"
#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/plane_kernels.h"

namespace bsq {

BsqOptimizer::BsqOptimizer(Network& network, const BsqOptimizerOptions& options) : options_(options) {
  const auto parameters = bit_parameters(network);
  int64_t all_weights = 0;
  for (const auto& [name, parameter] : parameters) {
    all_weights += parameter->numel();
  }
  for (const auto& [name, parameter] : parameters) {
    switch (parameter->representation()) {
      case Representation::kBits:
        add_bits(name, *parameter, all_weights);
        break;
      case Representation::kFrozen:
        add_tensor(name, parameter->weight(), /*is_frozen_value=*/true);
        add_tensor(name + ".scale", parameter->scale());
        break;
      case Representation::kFloat:
        add_tensor(name, parameter->weight());
        break;
    }
  }
  for (const auto& [name, tensor] : float_parameters(network)) {
    add_tensor(name, tensor);
  }
  penalty_ = current_penalty();
}

void BsqOptimizer::add_bits(const std::string& name, BitParameter& parameter, int64_t all_weights) {
  parameter.set_gradient_mode(GradientMode::kWeight);
  const auto& planes = parameter.planes();
  planes_.push_back({name, &parameter, penalty_factor(parameter.numel(), parameter.bits(), all_weights),
                     torch::zeros_like(planes.positive), torch::zeros_like(planes.negative), [&] {
                       torch::NoGradGuard no_grad;
                       return plane_squares(planes);
                     }()});
  add_tensor(name + ".scale", planes.scale);
}

void BsqOptimizer::add_tensor(const std::string& name, const torch::Tensor& tensor, bool is_frozen_value) {
  if (tensor.requires_grad()) {
    tensors_.push_back({name, tensor, torch::zeros_like(tensor), is_frozen_value});
  }
}

void BsqOptimizer::zero_grad() {
  for (auto& group : tensors_) {
    group.tensor.mutable_grad() = torch::Tensor();
  }
  for (auto& group : planes_) {
    group.parameter->clear_weight_gradient();
  }
}

void BsqOptimizer::step() {
  torch::NoGradGuard no_grad;
  penalty_ = current_penalty();
  for (auto& group : planes_) {
    step_group(group);
  }
  for (auto& group : tensors_) {
    step_group(group);
  }
}

void BsqOptimizer::step_group(PlaneGroup& group) {
  const auto gradient = group.parameter->weight_gradient();
  if (!gradient.defined()) {
    return;
  }
  auto& planes = group.parameter->planes();
  planes.scale.mutable_grad() =
      torch::full_like(planes.scale, scale_gradient(gradient, group.parameter->rounded_value()));
  const PlaneStep numbers{options_.learning_rate(), options_.momentum(), options_.weight_decay(),
                          options_.penalty() * group.factor};
  step_planes(planes, group.momentum_positive, group.momentum_negative, gradient, numbers, group.squares);
}

void BsqOptimizer::step_group(TensorGroup& group) {
  if (!group.tensor.grad().defined()) {
    return;
  }
  sgd_step(group.tensor, group.momentum, group.tensor.grad(),
           {options_.learning_rate(), options_.momentum(), options_.weight_decay()}, group.is_frozen_value);
}

double BsqOptimizer::current_penalty() const {
  double sum = 0;
  for (const auto& group : planes_) {
    const auto* squares = group.squares.data_ptr<double>();
    for (int64_t plane = 0; plane < group.squares.size(0); ++plane) {
      sum += group.factor * std::sqrt(kNormEpsilon + squares[plane]);
    }
  }
  return sum;
}

std::vector<std::pair<std::string, torch::Tensor>> BsqOptimizer::momentum_tensors() const {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const auto& group : planes_) {
    tensors.emplace_back(group.name + ".positive", group.momentum_positive);
    tensors.emplace_back(group.name + ".negative", group.momentum_negative);
  }
  for (const auto& group : tensors_) {
    tensors.emplace_back(group.name, group.momentum);
  }
  return tensors;
}

std::map<std::string, torch::Tensor> BsqOptimizer::state() const {
  std::map<std::string, torch::Tensor> state;
  for (const auto& [name, tensor] : momentum_tensors()) {
    state[name] = tensor.detach().cpu().contiguous().clone();
  }
  return state;
}

void BsqOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  torch::NoGradGuard no_grad;
  const auto tensors = momentum_tensors();
  if (tensors.size() != state.size()) {
    throw std::invalid_argument("optimizer state: " + std::to_string(state.size()) + " tensors; expected " +
                                std::to_string(tensors.size()));
  }
  for (auto [name, tensor] : tensors) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) {
      throw std::invalid_argument("optimizer state: " + name + " is missing or of another shape");
    }
    tensor.copy_(found->second);
  }
}

}  // namespace bsq
