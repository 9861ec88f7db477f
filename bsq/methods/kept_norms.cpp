#include "bsq/methods/kept_norms.h"

#include <torch/utils.h>

#include "bsq/graph/normalized_layers.h"
#include "bsq/nn/layers_of.h"

namespace bsq {

std::map<std::string, torch::Tensor> kept_norms(Network& network) {
  torch::NoGradGuard no_grad;
  const auto normalized = normalized_layers(network);
  std::map<std::string, torch::Tensor> norms;
  for (const auto& ref : coded_sources(network)) {
    if (!ref.is_bias && normalized.count(ref.name.substr(0, ref.name.rfind('.'))) != 0) {
      norms[ref.name] = ref.source().value().detach().to(torch::kFloat64).norm().cpu();
    }
  }
  return norms;
}

Slots norm_slots(const std::map<std::string, torch::Tensor>& norms) {
  Slots slots;
  for (const auto& [name, norm] : norms) {
    slots.push_back({"norm." + name, norm});
  }
  return slots;
}

}  // namespace bsq
