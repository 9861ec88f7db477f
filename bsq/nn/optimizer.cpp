#include "bsq/nn/optimizer.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>
#include <utility>

#include "bsq/quant/slot.h"

namespace bsq {
namespace {

std::map<std::string, ClampLimits> limits_of(torch::nn::Module& network) {
  std::map<std::string, ClampLimits> limits;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (const auto* module = dynamic_cast<const SlotModule*>(item.value().get())) {
      for (const auto& slot : module->slots()) {
        limits[item.key() + "." + slot.name] = {slot.low, slot.high};
      }
    }
  }
  return limits;
}

}  // namespace

Sgd::Sgd(torch::nn::Module& network, const SgdOptions& options, const std::set<std::string>& without,
         const std::set<std::string>& undecayed)
    : options_(options) {
  add_groups(network, without, [&](const std::string& name) {
    return SgdShare{/*rate=*/1, /*decay=*/undecayed.count(name) == 0 ? 1.0 : 0.0};
  });
}

Sgd::Sgd(torch::nn::Module& network, const SgdOptions& options, const SgdShares& shares) : options_(options) {
  add_groups(network, /*without=*/{}, shares);
}

void Sgd::add_groups(torch::nn::Module& network, const std::set<std::string>& without,
                     const SgdShares& shares) {
  const auto limits = limits_of(network);
  for (const auto& item : network.named_parameters()) {
    if (without.count(item.key()) == 0 && item.value().requires_grad()) {
      const auto found = limits.find(item.key());
      const auto share = shares(item.key());
      groups_.push_back({item.key(), item.value(), torch::zeros_like(item.value()),
                         found == limits.end() ? ClampLimits() : found->second, share.rate,
                         options_.weight_decay * share.decay});
    }
  }
}

void Sgd::zero_grad() {
  for (auto& group : groups_) {
    group.tensor.mutable_grad() = torch::Tensor();
  }
}

// All tensors of one rate and decay at once.
void Sgd::step_together(double learning_rate) {
  struct Lists {
    std::vector<torch::Tensor> values, momenta, gradients;
  };
  std::map<std::pair<double, double>, Lists> lists_of_shares;
  std::vector<const Group*> limited;
  for (const auto& group : groups_) {
    if (group.tensor.grad().defined() && group.rate != 0) {
      auto& lists = lists_of_shares[{group.rate, group.weight_decay}];
      lists.values.push_back(group.tensor);
      lists.momenta.push_back(group.momentum);
      lists.gradients.push_back(group.tensor.grad());
      if (std::isfinite(group.limits.low) || std::isfinite(group.limits.high)) {
        limited.push_back(&group);
      }
    }
  }
  for (const auto& [share, lists] : lists_of_shares) {
    const auto [rate, decay] = share;
    sgd_steps(lists.values, lists.momenta, lists.gradients,
              {learning_rate * rate, options_.momentum, decay, options_.is_nesterov});
  }
  for (const auto* group : limited) {
    group->tensor.clamp_(group->limits.low, group->limits.high);
  }
}

void Sgd::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  if (!groups_.empty() && !groups_.front().tensor.is_cpu()) {
    step_together(learning_rate);
    return;
  }
  for (auto& group : groups_) {
    if (group.tensor.grad().defined() && group.rate != 0) {
      sgd_step(group.tensor, group.momentum, group.tensor.grad(),
               {learning_rate * group.rate, options_.momentum, group.weight_decay, options_.is_nesterov},
               group.limits);
    }
  }
}

std::map<std::string, torch::Tensor> Sgd::state() const {
  NamedTensors tensors;
  for (const auto& group : groups_) {
    tensors.emplace_back(group.name, group.momentum);
  }
  return copy_tensors(tensors);
}

void Sgd::load(const std::map<std::string, torch::Tensor>& state) {
  NamedTensors tensors;
  for (const auto& group : groups_) {
    tensors.emplace_back(group.name, group.momentum);
  }
  fill_tensors(tensors, state);
}

std::map<std::string, torch::Tensor> copy_tensors(const NamedTensors& tensors) {
  std::map<std::string, torch::Tensor> copies;
  for (const auto& [name, tensor] : tensors) {
    copies[name] = tensor.detach().cpu().contiguous().clone();
  }
  return copies;
}

void fill_tensors(const NamedTensors& tensors, const std::map<std::string, torch::Tensor>& values) {
  torch::NoGradGuard no_grad;
  if (tensors.size() != values.size()) {
    throw std::invalid_argument("optimizer state: " + std::to_string(values.size()) + " tensors; expected " +
                                std::to_string(tensors.size()));
  }
  for (auto [name, tensor] : tensors) {
    const auto found = values.find(name);
    if (found == values.end() || found->second.sizes() != tensor.sizes()) {
      throw std::invalid_argument("optimizer state: " + name + " is missing or of another shape");
    }
    tensor.copy_(found->second);
  }
}

}  // namespace bsq
