#include "bsq/methods/csq/csq_optimizer.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <set>

#include "bsq/methods/csq/csq_weight.h"
#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

constexpr double kSmallestStepSize = 1e-12;  // of a weight of zeros

std::set<std::string> names_of(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    if (ref.source().kind() == CsqWeight::kKind) {
      for (const auto& slot : ref.source().slots()) {
        names.insert(ref.slot_name(slot.name));
      }
    }
  }
  return names;
}

}  // namespace

CsqOptimizer::CsqOptimizer(torch::nn::Module& network, const SgdOptions& options)
    : rest_(network, options, /*without=*/{}, /*undecayed=*/names_of(network)) {
  for (const auto& ref : coded_sources(network)) {
    if (const auto* weight = dynamic_cast<const CsqWeight*>(&ref.source())) {
      const auto slots = weight->slots();
      const double size = std::max(weight->step_size(), kSmallestStepSize);
      planes_.push_back({ref.slot_name("step_size"), slots[0].tensor, slots[1].tensor,
                         torch::full({}, size, torch::kFloat64)});
    }
  }
}

void CsqOptimizer::step(double learning_rate) {
  torch::NoGradGuard no_grad;
  for (auto& planes : planes_) {
    for (auto* logits : {&planes.positive, &planes.negative}) {
      if (logits->grad().defined()) {
        logits->mutable_grad().div_(planes.step_size.item<double>());
      }
    }
  }
  rest_.step(learning_rate);
}

std::map<std::string, torch::Tensor> CsqOptimizer::state() const {
  auto state = rest_.state();
  for (const auto& planes : planes_) {
    state[planes.name] = planes.step_size.clone();
  }
  return state;
}

void CsqOptimizer::load(const std::map<std::string, torch::Tensor>& state) {
  NamedTensors sizes;
  std::map<std::string, torch::Tensor> own, others = state;
  for (const auto& planes : planes_) {
    sizes.emplace_back(planes.name, planes.step_size);
    if (auto entry = others.extract(planes.name)) {
      own.insert(std::move(entry));
    }
  }
  fill_tensors(sizes, own);
  rest_.load(others);
}

}  // namespace bsq
