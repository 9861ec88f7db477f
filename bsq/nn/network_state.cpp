#include "bsq/nn/network_state.h"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/network_bits.h"

namespace bsq {
namespace {

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

bool may_be_missing(const std::string& name) {
  return ends_with(name, ".num_batches_tracked") || ends_with(name, ".range") || ends_with(name, ".alpha");
}

std::vector<std::pair<std::string, torch::Tensor>> float_tensors(torch::nn::Module& network) {
  auto tensors = float_parameters(network);
  for (const auto& item : network.named_buffers()) {
    tensors.emplace_back(item.key(), item.value());
  }
  return tensors;
}

using StateMap = std::map<std::string, const StoredTensor*>;

// A layer that is float beside others in bits was kept float.
void keep_as_stored(torch::nn::Module& network, const StateMap& by_name) {
  const auto has_bits = [](const auto& item) { return item.second->encoding != Encoding::kFloat; };
  const bool any_bits = std::any_of(by_name.begin(), by_name.end(), has_bits);
  for (auto& [name, layer] : bit_capable_layers(network)) {
    const auto found = by_name.find(name + ".weight");
    const bool keeps = any_bits && found != by_name.end() && !has_bits(*found);
    if (keeps && !layer->keeps_float()) {
      layer->change([](BitParameter& parameter) { parameter.make_float(); });
    }
    layer->keep_float(keeps);
  }
}

void load_float(const std::string& name, torch::Tensor& tensor, const StoredTensor& stored) {
  if (stored.encoding != Encoding::kFloat) {
    throw Error(name + ": holds bits; expected a float tensor");
  }
  if (stored.value.sizes() != tensor.sizes()) {
    throw Error(name + ": shape " + c10::str(stored.value.sizes()) + "; expected " +
                c10::str(tensor.sizes()));
  }
  tensor.copy_(stored.value);
}

void load_bit_layer(const std::string& layer_name, BitLayer& layer, StateMap& by_name) {
  layer.change([&](BitParameter& parameter) {
    const auto name = layer_name + (&parameter == &layer.weight_bits() ? ".weight" : ".bias");
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      throw Error(name + ": missing");
    }
    try {
      parameter.load(name, *found->second);
    } catch (const std::invalid_argument& error) {
      throw Error(error.what());
    }
    by_name.erase(found);
  });
}

}  // namespace

NetworkState save_network(torch::nn::Module& network) {
  NetworkState state;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    state.emplace_back(name, parameter->store());
  }
  for (const auto& [name, tensor] : float_tensors(network)) {
    StoredTensor stored;
    stored.value = tensor.detach().cpu().contiguous().clone();
    state.emplace_back(name, stored);
  }
  return state;
}

void load_network(torch::nn::Module& network, const NetworkState& state) {
  torch::NoGradGuard no_grad;
  StateMap by_name;
  for (const auto& [name, stored] : state) {
    by_name[name] = &stored;
  }
  keep_as_stored(network, by_name);
  for (auto& [name, layer] : bit_layers(network)) {
    load_bit_layer(name, *layer, by_name);
  }
  for (auto& [name, tensor] : float_tensors(network)) {
    const auto found = by_name.find(name);
    if (found != by_name.end()) {
      load_float(name, tensor, *found->second);
      by_name.erase(found);
    } else if (!may_be_missing(name)) {
      throw Error(name + ": missing");
    }
  }
  for (const auto& [name, stored] : by_name) {
    if (!may_be_missing(name)) {
      throw Error(name + ": not in the network");
    }
  }
}

}  // namespace bsq
