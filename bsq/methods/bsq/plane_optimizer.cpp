#include "bsq/methods/bsq/plane_optimizer.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
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
constexpr const char* kScale = "scale";

// What Sgd leaves alone: planes and, where they are trained by a rule of their own, scales.
std::set<std::string> own_names(torch::nn::Module& network, StepRule rule) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    if (dynamic_cast<const PlaneWeight*>(&ref.source()) != nullptr) {
      names.insert(ref.slot_name(kPositive));
      names.insert(ref.slot_name(kNegative));
      if (rule == StepRule::kRelative) {
        names.insert(ref.slot_name(kScale));
      }
    }
  }
  return names;
}

torch::Tensor squares_of(const BitPlanes& planes) {
  torch::NoGradGuard no_grad;
  return plane_squares(planes);
}

torch::Tensor find(const std::map<std::string, torch::Tensor>& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? torch::Tensor() : found->second;
}

double total(const torch::Tensor& squares) { return squares.sum().item<double>(); }

}  // namespace

PlaneRule published_rule(double alpha) {
  PlaneRule rule;
  rule.alpha = alpha;
  return rule;
}

torch::Tensor rule_number(double value, const torch::Device& device) {
  return torch::full({}, value, torch::TensorOptions(torch::kFloat64).device(device));
}

PlaneOptimizer::PlaneOptimizer(torch::nn::Module& network, const SgdOptions& options, const PlaneRule& rule,
                               PlaneMemory memory)
    : options_(options), rule_(rule), rest_(network, options, own_names(network, rule.step)) {
  int64_t all_weights = 0;
  for (const auto& [name, weight] : plane_weights(network)) {
    all_weights += weight->numel();
  }
  for (const auto& ref : coded_sources(network)) {
    if (auto* weight = dynamic_cast<PlaneWeight*>(&ref.source())) {
      const auto& planes = weight->planes();
      groups_.push_back({ref.name, ref.slot_name(kPositive), ref.slot_name(kNegative), ref.slot_name(kScale),
                         weight, penalty_factor(weight->numel(), weight->bits(), all_weights),
                         torch::zeros_like(planes.positive), torch::zeros_like(planes.negative),
                         torch::Tensor(), torch::zeros_like(planes.scale.detach()),
                         find(rule.norms, ref.name), find(rule.sensitivities, ref.name)});
    }
  }
  if (groups_.empty()) {
    return;
  }
  if (memory == PlaneMemory::kBank || !groups_.front().weight->planes().positive.is_cpu()) {
    bank_ = std::make_unique<PlaneBank>(groups_, rule.step);
    return;
  }
  for (auto& group : groups_) {
    group.squares = squares_of(group.weight->planes());
  }
  group_norms_ = current_group_norms();
}

double PlaneOptimizer::group_norms() const {
  return bank_ ? bank_->group_norms().item<double>() : group_norms_;
}

double PlaneOptimizer::alpha() const {
  return rule_.has_penalty.defined() && rule_.has_penalty.item<double>() == 0 ? 0 : rule_.alpha;
}

void PlaneOptimizer::zero_grad() {
  rest_.zero_grad();
  for (auto& group : groups_) {
    group.weight->clear_weight_gradient();
  }
}

void PlaneOptimizer::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  if (bank_) {
    bank_->step({learning_rate, options_.momentum, options_.weight_decay, alpha()});
    rest_.step(learning_rate);
    bank_->refresh();
    return;
  }
  group_norms_ = current_group_norms();
  for (auto& group : groups_) {
    step_group(group, learning_rate);
  }
  rest_.step(learning_rate);
  for (auto& group : groups_) {
    if (group.norm.defined()) {
      group.weight->refresh_to_norm(group.norm.item<double>());
    } else {
      group.weight->refresh();
    }
  }
}

void PlaneOptimizer::step_group(PlaneGroup& group, double learning_rate) {
  const auto gradient = group.weight->weight_gradient();
  if (!gradient.defined() || (is_relative() && total(group.squares) == 0)) {
    return;
  }
  if (group.sensitivity.defined()) {
    const double mean = scale_gradient(gradient, gradient) / static_cast<double>(group.weight->numel());
    group.sensitivity.mul_(kSensitivityMemory).add_((1 - kSensitivityMemory) * mean);
  }
  auto& planes = group.weight->planes();
  const double scale = planes.scale.item<double>();
  PlaneStep numbers{learning_rate, options_.momentum, options_.weight_decay, alpha() * group.factor, scale};
  if (is_relative()) {
    numbers.weight_decay = 0;
    numbers.gradient_factor = 1 / (scale * plane_gain(planes.bits()));
    if (!group.norm.defined()) {
      step_scale(group, learning_rate, scale_gradient(gradient, group.weight->rounded_value()));
    }
  } else {
    planes.scale.mutable_grad() =
        torch::full_like(planes.scale, scale_gradient(gradient, group.weight->rounded_value()));
  }
  step_planes(planes, group.momentum_positive, group.momentum_negative, gradient, numbers, group.squares);
}

// d log s = s dL/ds / |W|^2 = dL/ds / (s |Q|^2), the part along W of a float weight's step. Where |W| is
// small, as of a bias, that has no bound of its own: exp() would run away.
void PlaneOptimizer::step_scale(PlaneGroup& group, double learning_rate, double gradient) {
  const auto& rounded = group.weight->rounded_value();
  const double square = scale_gradient(rounded, rounded);
  if (square == 0) {
    return;
  }
  auto& scale = group.weight->planes().scale;
  const double direction =
      std::clamp(gradient / (scale.item<double>() * square), -kMostScaleStep, kMostScaleStep) +
      options_.weight_decay;
  group.momentum_scale.mul_(options_.momentum).add_(direction);
  scale.mul_(std::exp(-learning_rate * group.momentum_scale.item<double>()));
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

NamedTensors PlaneOptimizer::own_momenta() const {
  NamedTensors tensors;
  for (const auto& group : groups_) {
    tensors.emplace_back(group.positive_name, group.momentum_positive);
    tensors.emplace_back(group.negative_name, group.momentum_negative);
    if (is_relative()) {
      tensors.emplace_back(group.scale_name, group.momentum_scale);
    }
  }
  return tensors;
}

// A plane's momentum is that of dL/dW times f_b / (s gain), that of a negative plane minus it.
std::map<std::string, torch::Tensor> PlaneOptimizer::momenta_of_values() const {
  torch::NoGradGuard no_grad;
  auto momenta = rest_.state();
  for (const auto& group : groups_) {
    const auto& planes = group.weight->planes();
    const double levels = static_cast<double>(max_integer(planes.bits()));
    momenta[group.name] =
        plane_sum(group.momentum_positive, group.momentum_negative).mul(planes.scale.item<double>() / levels);
    momenta[group.scale_name] = group.momentum_scale.clone();
  }
  return momenta;
}

void PlaneOptimizer::take_momenta_of_values(const std::map<std::string, torch::Tensor>& momenta) {
  torch::NoGradGuard no_grad;
  auto others = momenta;
  for (auto& group : groups_) {
    const auto value = others.extract(group.name).mapped();
    group.momentum_scale.copy_(others.extract(group.scale_name).mapped());
    const auto& planes = group.weight->planes();
    const int64_t bits = planes.bits();
    const double levels = static_cast<double>(max_integer(bits));
    for (int64_t plane = 0; plane < bits; ++plane) {
      const double factor = static_cast<double>(digit_weight(bits, plane)) / levels /
                            (planes.scale.item<double>() * plane_gain(bits));
      group.momentum_positive[plane].copy_(value.mul(factor));
      group.momentum_negative[plane].copy_(value.mul(-factor));
    }
  }
  rest_.load(others);
}

std::map<std::string, torch::Tensor> PlaneOptimizer::state() const {
  auto state = rest_.state();
  state.merge(copy_tensors(own_momenta()));
  return state;
}

void PlaneOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  const auto momenta = own_momenta();
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
