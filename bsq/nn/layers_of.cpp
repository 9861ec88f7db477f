#include "bsq/nn/layers_of.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <stdexcept>

#include "bsq/nn/master_weight.h"

namespace bsq {

void SourceRef::set(std::unique_ptr<WeightSource> source) const {
  try {
    is_bias ? layer->set_bias(std::move(source)) : layer->set_weight(std::move(source));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(name + ": " + error.what());
  }
}

std::string SourceRef::slot_name(const std::string& slot) const { return bsq::slot_name(name, slot); }

std::vector<std::pair<std::string, QuantLayer*>> quant_layers(torch::nn::Module& network) {
  std::vector<std::pair<std::string, QuantLayer*>> layers;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (auto* layer = dynamic_cast<QuantLayer*>(item.value().get())) {
      layers.emplace_back(item.key(), layer);
    }
  }
  return layers;
}

std::vector<SourceRef> sources_of(torch::nn::Module& network) {
  std::vector<SourceRef> sources;
  for (const auto& [path, layer] : quant_layers(network)) {
    sources.push_back({path + ".weight", layer, /*is_bias=*/false});
    if (layer->bias_source() != nullptr) {
      sources.push_back({path + ".bias", layer, /*is_bias=*/true});
    }
  }
  return sources;
}

std::vector<SourceRef> coded_sources(torch::nn::Module& network) {
  auto sources = sources_of(network);
  const auto is_float = [](const SourceRef& ref) { return ref.source().is_float(); };
  sources.erase(std::remove_if(sources.begin(), sources.end(), is_float), sources.end());
  return sources;
}

std::vector<ActivationQuantizerImpl*> activation_quantizers(torch::nn::Module& network) {
  std::vector<ActivationQuantizerImpl*> quantizers;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto* quantizer = dynamic_cast<ActivationQuantizerImpl*>(module.get())) {
      quantizers.push_back(quantizer);
    }
  }
  return quantizers;
}

std::vector<torch::Tensor> gradient_leaves(torch::nn::Module& network) {
  std::vector<torch::Tensor> leaves;
  const auto add = [&](const std::vector<torch::Tensor>& own) {
    for (const auto& tensor : own) {
      if (tensor.requires_grad()) {
        leaves.push_back(tensor);
      }
    }
  };
  add(network.parameters(/*recurse=*/false));
  for (const auto& module : network.modules(/*include_self=*/false)) {
    const auto* layer = dynamic_cast<const QuantLayer*>(module.get());
    if (layer == nullptr) {
      add(module->parameters(/*recurse=*/false));
      continue;
    }
    add(layer->weight_source().gradient_leaves());
    if (layer->bias_source() != nullptr) {
      add(layer->bias_source()->gradient_leaves());
    }
  }
  return leaves;
}

bool is_float(torch::nn::Module& network) { return coded_sources(network).empty(); }

void make_float(torch::nn::Module& network) {
  for (const auto& ref : coded_sources(network)) {
    ref.set(make_float(ref.source()));
  }
}

Scheme scheme_of(torch::nn::Module& network) {
  Scheme scheme;
  for (const auto& ref : coded_sources(network)) {
    auto& bits = scheme[ref.name.substr(0, ref.name.rfind('.'))];
    (ref.is_bias ? bits.bias : bits.weight) = ref.source().codes()->format.bits;
  }
  return scheme;
}

Scheme scheme_of(const NetworkState& network) {
  Scheme scheme;
  for (const auto& [name, stored] : network) {
    if (stored.encoding != Encoding::kFloat) {
      const auto dot = name.rfind('.');
      auto& bits = scheme[name.substr(0, dot)];
      (name.substr(dot + 1) == "bias" ? bits.bias : bits.weight) = stored.bits;
    }
  }
  return scheme;
}

}  // namespace bsq
