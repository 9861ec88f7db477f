#include "bsq/methods/hysteresis/alpha_steps.h"

#include <torch/utils.h>

#include "bsq/methods/hysteresis/feature_map.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

AlphaSteps::AlphaSteps(torch::nn::Module& network) {
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    const auto* module = item.value()->as<ActivationQuantizer>();
    const auto* map = module == nullptr ? nullptr : dynamic_cast<const PactMap*>(&module->activation());
    if (map != nullptr) {
      alphas_.emplace_back(item.key() + ".alpha", map->alpha());
    }
  }
}

std::set<std::string> AlphaSteps::names() const {
  std::set<std::string> names;
  for (const auto& [name, alpha] : alphas_) {
    names.insert(name);
  }
  return names;
}

void AlphaSteps::zero_grad() {
  for (auto& [name, alpha] : alphas_) {
    alpha.mutable_grad() = torch::Tensor();
  }
}

void AlphaSteps::step() {
  torch::NoGradGuard no_grad;
  for (auto& [name, alpha] : alphas_) {
    if (alpha.grad().defined()) {
      alpha.sub_(alpha.grad() + alpha * (2 * kAlphaPenalty), kAlphaRate).clamp_min_(PactMap::kSmallestAlpha);
    }
  }
}

}  // namespace bsq
