#include "bsq/methods/method.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>

#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

// Whether the network is one that the method itself has stored.
bool is_own(torch::nn::Module& network, const std::string& name) {
  const auto sources = coded_sources(network);
  return std::any_of(sources.begin(), sources.end(),
                     [&](const SourceRef& ref) { return ref.source().kind() == name; });
}

void install(const SourceRef& ref, std::unique_ptr<Quantizer> quantizer) {
  if (quantizer) {
    ref.set(std::make_unique<MasterWeight>(ref.source().value(), std::move(quantizer)));
  }
}

// Activations of another kind in place of the network's own, on its device and in its type.
void put_activations(Network& network, const std::string& kind) {
  network.set_activation_kind(kind);
  const auto like = network.parameters().front();
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->set_activation(activation_of(network.description()));
    quantizer->to(like.device(), like.scalar_type());
  }
}

}  // namespace

void Method::begin(Network& network, const Start& start) {
  if (is_own(network, name())) {
    adopt(network);
    return;
  }
  if (!is_float(network)) {
    throw std::invalid_argument("holds bits of another method; expected a float network for " + name());
  }
  torch::NoGradGuard no_grad;
  for (const auto& place : layer_places(network, start.rules)) {
    for (const auto& ref : sources_of(network)) {
      if (ref.name == place.path + ".weight" || ref.name == place.path + ".bias") {
        auto made = parts(place, ref.source());
        install(ref, ref.is_bias ? std::move(made.bias) : std::move(made.weight));
      }
    }
  }
  if (!activation_kind().empty() && network.description().activation_bits > 0) {
    put_activations(network, activation_kind());
  }
}

std::unique_ptr<Optimizer> Method::make_optimizer(Network& network, const SgdOptions& options) {
  return std::make_unique<Sgd>(network, options);
}

std::vector<LayerPlace> layer_places(torch::nn::Module& network, const LayerRules& rules) {
  const auto bits = bits_of_layers(network, rules);
  std::vector<LayerPlace> places;
  for (const auto& [path, layer] : quant_layers(network)) {
    const auto own = bits.find(path);
    places.push_back({path, layer->role(), own == bits.end() ? rules.bits() : own->second,
                      own != bits.end() && names_layer(rules, path)});
  }
  const auto has_role = [](const LayerPlace& place) {
    return place.role == LayerRole::kFirst || place.role == LayerRole::kLast;
  };
  if (!places.empty() && std::none_of(places.begin(), places.end(), has_role)) {
    places.back().role = LayerRole::kLast;
    places.front().role = LayerRole::kFirst;
  }
  return places;
}

}  // namespace bsq
