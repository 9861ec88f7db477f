#include "bsq/nn/network_bits.h"

#include <algorithm>
#include <functional>
#include <set>
#include <stdexcept>

#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/requantization.h"

namespace bsq {
namespace {

void change_layer(const std::string& name, BitLayer& layer,
                  const std::function<void(BitParameter&)>& change) {
  try {
    layer.change(change);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(name + ": " + error.what());
  }
}

void change_all(torch::nn::Module& network, const std::function<void(BitParameter&)>& change) {
  for (auto& [name, layer] : bit_layers(network)) {
    change_layer(name, *layer, change);
  }
}

void convert_or_clear(BitParameter& parameter, int64_t bits) {
  if (bits != 0) {
    parameter.convert(bits);
    return;
  }
  const auto zeros = torch::zeros_like(parameter.weight());
  parameter.set_planes(planes_of(zeros, kMinBits, torch::zeros({}, zeros.options())));
}

void convert_layer(const std::string& name, BitLayer& layer, const LayerBits& bits) {
  change_layer(name, layer, [&](BitParameter& parameter) {
    convert_or_clear(parameter, &parameter == &layer.weight_bits() ? bits.weight : bits.bias);
  });
}

int64_t count_all_weights(torch::nn::Module& network) {
  int64_t weights = 0;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    weights += parameter->numel();
  }
  return weights;
}

}  // namespace

std::vector<std::pair<std::string, BitLayer*>> bit_capable_layers(torch::nn::Module& network) {
  std::vector<std::pair<std::string, BitLayer*>> layers;
  for (const auto& item : network.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    if (auto* layer = dynamic_cast<BitLayer*>(item.value().get())) {
      layers.emplace_back(item.key(), layer);
    }
  }
  return layers;
}

std::vector<std::pair<std::string, BitLayer*>> bit_layers(torch::nn::Module& network) {
  auto layers = bit_capable_layers(network);
  const auto is_kept = [](const auto& layer) { return layer.second->keeps_float(); };
  layers.erase(std::remove_if(layers.begin(), layers.end(), is_kept), layers.end());
  return layers;
}

std::vector<std::pair<std::string, BitParameter*>> bit_parameters(torch::nn::Module& network) {
  std::vector<std::pair<std::string, BitParameter*>> parameters;
  for (auto& [name, layer] : bit_layers(network)) {
    parameters.emplace_back(name + ".weight", &layer->weight_bits());
    if (layer->bias_bits() != nullptr) {
      parameters.emplace_back(name + ".bias", layer->bias_bits());
    }
  }
  return parameters;
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

std::vector<std::pair<std::string, torch::Tensor>> float_parameters(torch::nn::Module& network) {
  std::vector<std::string> prefixes;
  for (const auto& [name, layer] : bit_layers(network)) {
    prefixes.push_back(name + ".");
  }
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  for (const auto& item : network.named_parameters()) {
    const auto& name = item.key();
    const bool is_bits = std::any_of(prefixes.begin(), prefixes.end(),
                                     [&](const std::string& prefix) { return name.rfind(prefix, 0) == 0; });
    if (!is_bits) {
      parameters.emplace_back(name, item.value());
    }
  }
  return parameters;
}

void convert_to_bits(torch::nn::Module& network, int64_t bits) {
  change_all(network, [&](BitParameter& parameter) { parameter.convert(bits); });
}

void convert_to_scheme(torch::nn::Module& network, const Scheme& scheme) {
  const auto layers = bit_layers(network);
  std::set<std::string> names;
  for (const auto& [name, layer] : layers) {
    names.insert(name);
    if (scheme.count(name) == 0) {
      throw std::invalid_argument("scheme: layer " + name + " of the network is missing");
    }
  }
  for (const auto& [name, bits] : scheme) {
    if (names.count(name) == 0) {
      throw std::invalid_argument("scheme: layer " + name + " is not in the network");
    }
  }
  for (const auto& [name, layer] : layers) {
    convert_layer(name, *layer, scheme.at(name));
  }
}

void requantize_network(torch::nn::Module& network, int64_t max_bits) {
  change_all(network, [&](BitParameter& parameter) {
    parameter.set_planes(requantize(parameter.planes(), max_bits));
  });
}

void adjust_network(torch::nn::Module& network, double threshold_percent) {
  change_all(network, [&](BitParameter& parameter) {
    parameter.set_planes(adjust_precision(parameter.planes(), threshold_percent));
  });
}

void freeze_network(torch::nn::Module& network) {
  change_all(network, [](BitParameter& parameter) { parameter.freeze(); });
}

void unfreeze_network(torch::nn::Module& network) {
  change_all(network, [](BitParameter& parameter) { parameter.unfreeze(); });
}

void make_float_network(torch::nn::Module& network) {
  change_all(network, [](BitParameter& parameter) { parameter.make_float(); });
  for (auto& [name, layer] : bit_capable_layers(network)) {
    layer->keep_float(false);
  }
}

void set_gradient_mode(torch::nn::Module& network, GradientMode mode) {
  for (auto& [name, parameter] : bit_parameters(network)) {
    parameter->set_gradient_mode(mode);
  }
}

Representation network_representation(torch::nn::Module& network) {
  const auto parameters = bit_parameters(network);
  if (parameters.empty()) {
    return Representation::kFloat;
  }
  const auto representation = parameters.front().second->representation();
  for (const auto& [name, parameter] : parameters) {
    if (parameter->representation() != representation) {
      throw std::logic_error(name + ": its representation is not that of " + parameters.front().first);
    }
  }
  return representation;
}

Scheme scheme_of(torch::nn::Module& network) {
  Scheme scheme;
  for (const auto& [name, layer] : bit_layers(network)) {
    scheme[name] = {layer->weight_bits().bits(),
                    layer->bias_bits() == nullptr ? 0 : layer->bias_bits()->bits()};
  }
  return scheme;
}

Sizes network_sizes(torch::nn::Module& network) {
  std::vector<TensorBits> tensors;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    tensors.push_back({name, {}, parameter->numel(), parameter->bits(), true, 1});
  }
  int64_t float_elements = 0;
  for (const auto& [name, tensor] : float_parameters(network)) {
    float_elements += tensor.numel();
  }
  for (const auto& buffer : network.buffers()) {
    float_elements += buffer.is_floating_point() ? buffer.numel() : 0;
  }
  return count_sizes(tensors, float_elements);
}

torch::Tensor network_penalty(torch::nn::Module& network) {
  const int64_t all_weights = count_all_weights(network);
  torch::Tensor sum;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    const auto& planes = parameter->planes();
    const auto own = group_lasso(planes.positive, planes.negative) *
                     penalty_factor(parameter->numel(), parameter->bits(), all_weights);
    sum = sum.defined() ? sum + own : own;
  }
  return sum.defined() ? sum : torch::zeros({});
}

}  // namespace bsq
