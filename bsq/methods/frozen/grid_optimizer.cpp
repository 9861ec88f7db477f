#include "bsq/methods/frozen/grid_optimizer.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <set>

#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

const MasterWeight* grid_of(const SourceRef& ref) {
  const auto* weight = dynamic_cast<const MasterWeight*>(&ref.source());
  const bool is_trained = weight != nullptr && weight->quantizer() != nullptr &&
                          weight->quantizer()->kind() == GridQuantizer::kKind &&
                          weight->quantizer()->limits().is_trained;
  return is_trained ? weight : nullptr;
}

std::set<std::string> names_of(torch::nn::Module& network, const std::string& slot) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    if (grid_of(ref) != nullptr) {
      names.insert(ref.slot_name(slot));
    }
  }
  return names;
}

// What to divide by where nothing depends on the numerator if it is 0: a channel of zeros has a scale of 0.
torch::Tensor divisor(const torch::Tensor& x) { return torch::where(x == 0, torch::ones_like(x), x); }

// The sum over what shares a scale: everything, or a channel.
torch::Tensor sum_like(const torch::Tensor& values, const torch::Tensor& scale) {
  return scale.dim() == 0 ? values.sum() : values.flatten(1).sum(1).view_as(scale);
}

}  // namespace

GridOptimizer::GridOptimizer(torch::nn::Module& network, const SgdOptions& options,
                             const std::map<std::string, torch::Tensor>& norms)
    : options_(options),
      rest_(network, options, /*without=*/names_of(network, "scale"),
            /*undecayed=*/names_of(network, "weight")) {
  for (const auto& ref : coded_sources(network)) {
    if (const auto* weight = grid_of(ref)) {
      const auto scale = weight->quantizer()->slots().front().tensor;
      const auto norm = norms.find(ref.name);
      groups_.push_back({ref.slot_name("scale"), weight->tensor(), scale, weight->quantizer()->format(),
                         torch::zeros_like(scale.detach()),
                         norm == norms.end() ? torch::Tensor() : norm->second});
    }
  }
}

void GridOptimizer::zero_grad() {
  rest_.zero_grad();
  for (auto& group : groups_) {
    group.scale.mutable_grad() = torch::Tensor();
  }
}

// d log s = s dL/ds / |W|^2, as of a float weight along W.
void GridOptimizer::step_scale(Group& group, double learning_rate) {
  const auto q = round_to_grid(group.q, group.format);
  const auto square = sum_like(q.square(), group.scale);
  const auto direction =
      torch::where(square > 0, group.scale.grad() / divisor(group.scale * square), torch::zeros_like(square))
          .clamp_(-kMostScaleStep, kMostScaleStep);
  group.momentum.mul_(options_.momentum).add_(direction + options_.weight_decay);
  group.scale.mul_(group.momentum.mul(-learning_rate).exp());
}

void GridOptimizer::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  for (auto& group : groups_) {
    if (group.q.grad().defined()) {
      group.q.mutable_grad().div_(along_channels(divisor(group.scale.square()), group.q));
    }
  }
  for (auto& group : groups_) {
    if (!group.norm.defined() && group.scale.grad().defined()) {
      step_scale(group, learning_rate);
    }
  }
  rest_.step(learning_rate);
  for (auto& group : groups_) {
    if (group.norm.defined()) {
      const auto q = round_to_grid(group.q, group.format).mul(along_channels(group.scale, group.q));
      const double norm = q.norm().item<double>();
      if (norm > 0 && group.norm.item<double>() > 0) {
        group.scale.mul_(group.norm.item<double>() / norm);
      }
    }
  }
}

std::map<std::string, torch::Tensor> GridOptimizer::state() const {
  auto state = rest_.state();
  NamedTensors own;
  for (const auto& group : groups_) {
    own.emplace_back(group.scale_name, group.momentum);
  }
  state.merge(copy_tensors(own));
  return state;
}

void GridOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  NamedTensors momenta;
  std::map<std::string, torch::Tensor> own, others = state;
  for (const auto& group : groups_) {
    momenta.emplace_back(group.scale_name, group.momentum);
    if (auto entry = others.extract(group.scale_name)) {
      own.insert(std::move(entry));
    }
  }
  fill_tensors(momenta, own);
  rest_.load(others);
}

}  // namespace bsq
