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
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (auto* quantizer = item.value()->as<ActivationQuantizer>()) {
      auto description = network.description();
      description.activation_bits = activation_bits_at(description, item.key());
      quantizer->set_activation(activation_of(description, quantizer->input()));
      quantizer->to(like.device(), like.scalar_type());
    }
  }
}

// Puts the wanted kind of activation into a network, where nothing else of it has to change.
void take_activations(Network& network, const NetworkDescription& wanted, const std::string& method) {
  auto same_kind = wanted;
  same_kind.activation = network.description().activation;
  if (same_kind != network.description()) {
    throw std::invalid_argument("has not the activations and norms that " + method + " needs");
  }
  if (wanted != network.description()) {
    put_activations(network, wanted.activation);
  }
}

}  // namespace

void Method::begin(Network& network, const Start& start) {
  if (is_own(network, name())) {
    adopt(network);
    return;
  }
  if (!is_float(network)) {
    throw std::invalid_argument(refusal_of_bits(network, name()));
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
  take_activations(network, adapted(network.description()), name());
}

NetworkDescription Method::adapted(const NetworkDescription& given) const {
  auto wanted = given;
  adapt(wanted);
  if (given.activation_bits == 0) {
    wanted.activation = given.activation;
    wanted.activation_bits = 0;
    wanted.activation_place = given.activation_place;
    wanted.activation_rules = given.activation_rules;
  }
  return wanted;
}

std::string refusal_of_bits(torch::nn::Module& network, const std::string& method) {
  const auto sources = coded_sources(network);
  const auto is_packed = [](const SourceRef& ref) { return ref.source().kind() == GridQuantizer::kKind; };
  if (!std::all_of(sources.begin(), sources.end(), is_packed)) {
    return "holds bits of another method; expected a float network for " + method;
  }
  const bool has_offset = std::any_of(sources.begin(), sources.end(), [](const SourceRef& ref) {
    return ref.source().codes()->offset.defined();
  });
  return std::string("its weights are packed bits") + (has_offset ? "" : ", which finetune takes") + "; " +
         "expected float weights for --method " + method;
}

std::string Method::milestone(int64_t epoch) const {
  return "precision adjustment at epoch " + std::to_string(epoch);
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
