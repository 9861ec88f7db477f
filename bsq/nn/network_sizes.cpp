#include "bsq/nn/network_sizes.h"

#include <torch/nn/module.h>

#include <set>
#include <string>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/weight_source.h"

namespace bsq {
namespace {

std::string layer_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

int64_t scales_in(const torch::Tensor& scale) { return scale.defined() ? scale.numel() : 1; }

// Scales, and offsets where there are some.
int64_t numbers_in(const Codes& codes) {
  return scales_in(codes.scale) + (codes.offset.defined() ? codes.offset.numel() : 0);
}

int64_t scales_in(const std::string& name, const StoredTensor& stored, const StateMap& state) {
  const auto own = state.find(slot_name(name, "scale"));
  if (own != state.end()) {
    return scales_in(own->second->value);
  }
  const auto source = latent_source(name, state);
  return source == nullptr ? scales_in(stored.scale) + (stored.offset.defined() ? stored.offset.numel() : 0)
                           : numbers_in(*source->codes());
}

// Names of everything that belongs to weights with bits: masters, planes, scales, kept signs.
std::set<std::string> coded_names(torch::nn::Module& network) {
  std::set<std::string> names;
  for (const auto& ref : coded_sources(network)) {
    for (const auto& slot : ref.source().slots()) {
      names.insert(ref.slot_name(slot.name));
    }
  }
  return names;
}

template <typename Items>
int64_t count_floats(const Items& items, const std::set<std::string>& without) {
  int64_t elements = 0;
  for (const auto& item : items) {
    if (without.count(item.key()) == 0 && item.value().is_floating_point()) {
      elements += item.value().numel();
    }
  }
  return elements;
}

// In the layer of a latent tensor or of planes everything but a float weight or bias is their own.
bool is_quantizers(const std::string& name, const std::set<std::string>& trained_layers) {
  const auto last = name.substr(name.rfind('.') + 1);
  return last != "weight" && last != "bias" && trained_layers.count(layer_of(name)) != 0;
}

}  // namespace

std::vector<TensorBits> tensor_bits(torch::nn::Module& network) {
  std::vector<TensorBits> tensors;
  for (const auto& ref : coded_sources(network)) {
    const auto codes = *ref.source().codes();
    tensors.push_back({ref.name, ref.source().shape().vec(), ref.source().numel(), codes.format.bits,
                       codes.format.has_sign_bit, numbers_in(codes)});
  }
  return tensors;
}

std::vector<TensorBits> tensor_bits(const NetworkState& network) {
  const auto by_name = state_map(network);
  std::vector<TensorBits> tensors;
  for (const auto& [name, stored] : network) {
    if (stored.encoding != Encoding::kFloat) {
      const auto shape = stored.shape();
      tensors.push_back({name, shape.vec(), c10::multiply_integers(shape), stored.bits,
                         stored.format.has_sign_bit, scales_in(name, stored, by_name)});
    }
  }
  return tensors;
}

Sizes sizes_of(torch::nn::Module& network) {
  const auto coded = coded_names(network);
  return count_sizes(tensor_bits(network), count_floats(network.named_parameters(), coded) +
                                               count_floats(network.named_buffers(), coded));
}

Sizes sizes_of(const NetworkState& network) {
  std::set<std::string> trained_layers;
  for (const auto& [name, stored] : network) {
    if (stored.encoding == Encoding::kLatent || stored.encoding == Encoding::kPlanes) {
      trained_layers.insert(layer_of(name));
    }
  }
  int64_t float_elements = 0;
  for (const auto& [name, stored] : network) {
    if (stored.encoding == Encoding::kFloat && stored.value.is_floating_point() &&
        !is_quantizers(name, trained_layers)) {
      float_elements += stored.value.numel();
    }
  }
  return count_sizes(tensor_bits(network), float_elements);
}

}  // namespace bsq
