#include "bsq/methods/bsq/plane_optimizer.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <cmath>
#include <set>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/plane_kernels.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

constexpr const char* kPositive = "pweight";
constexpr const char* kNegative = "nweight";

std::set<std::string> plane_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    if (dynamic_cast<const PlaneWeight*>(&ref.source()) != nullptr) {
      names.insert(ref.slot_name(kPositive));
      names.insert(ref.slot_name(kNegative));
    }
  }
  return names;
}

torch::Tensor squares_of(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  return plane_squares(planes);
}

}  // namespace

PlaneOptimizer::PlaneOptimizer(torch::nn::Module& network, const SgdOptions& options, double alpha)
    : options_(options), alpha_(alpha), rest_(network, options, plane_names(network)) {
  int64_t all_weights = 0;
  for (const auto& [name, weight] : plane_weights(network)) {
    all_weights += weight->numel();
  }
  for (const auto& ref : coded_sources(network)) {
    if (auto* weight = dynamic_cast<PlaneWeight*>(&ref.source())) {
      const auto& planes = weight->planes();
      groups_.push_back({ref.slot_name(kPositive), ref.slot_name(kNegative), weight,
                         penalty_factor(weight->numel(), weight->bits(), all_weights),
                         torch::zeros_like(planes.positive), torch::zeros_like(planes.negative),
                         squares_of(planes)});
    }
  }
  group_norms_ = current_group_norms();
}

void PlaneOptimizer::zero_grad() {
  rest_.zero_grad();
  for (auto& group : groups_) {
    group.weight->clear_weight_gradient();
  }
}

void PlaneOptimizer::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  group_norms_ = current_group_norms();
  for (auto& group : groups_) {
    step_group(group, learning_rate);
  }
  rest_.step(learning_rate);
  for (auto& group : groups_) {
    group.weight->refresh();
  }
}

void PlaneOptimizer::step_group(Group& group, double learning_rate) {
  const auto gradient = group.weight->weight_gradient();
  if (!gradient.defined()) {
    return;
  }
  auto& planes = group.weight->planes();
  planes.scale.mutable_grad() =
      torch::full_like(planes.scale, scale_gradient(gradient, group.weight->rounded_value()));
  const PlaneStep numbers{learning_rate, options_.momentum, options_.weight_decay, alpha_ * group.factor};
  step_planes(planes, group.momentum_positive, group.momentum_negative, gradient, numbers, group.squares);
}

double PlaneOptimizer::current_group_norms() const {
  double sum = 0;
  for (const auto& group : groups_) {
    const auto* squares = group.squares.data_ptr<double>();
    for (int64_t plane = 0; plane < group.squares.size(0); ++plane) {
      sum += group.factor * std::sqrt(kNormEpsilon + squares[plane]);
    }
  }
  return sum;
}

NamedTensors PlaneOptimizer::plane_momenta() const {
  NamedTensors tensors;
  for (const auto& group : groups_) {
    tensors.emplace_back(group.positive_name, group.momentum_positive);
    tensors.emplace_back(group.negative_name, group.momentum_negative);
  }
  return tensors;
}

std::map<std::string, torch::Tensor> PlaneOptimizer::state() const {
  auto state = rest_.state();
  state.merge(copy_tensors(plane_momenta()));
  return state;
}

void PlaneOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  const auto momenta = plane_momenta();
  std::map<std::string, torch::Tensor> own, others = state;
  for (const auto& [name, tensor] : momenta) {
    if (auto entry = others.extract(name)) {
      own.insert(std::move(entry));
    }
  }
  fill_tensors(momenta, own);
  rest_.load(others);
}

}  // namespace bsq
