#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bsq {

/// A pattern of layer paths, and the bit width of the layers that it matches.
using LayerRule = std::pair<std::string, int64_t>;

/// Which bit width a network's layers get. Patterns are shell globs (`*`, `?`, `[ab]`) that have to match a
/// layer's whole path; `*` matches dots too, so that `layer1.*` is everything below layer1.
struct LayerRules {
  explicit LayerRules(int64_t bits) : bits_(bits) {}
  /// Bit width of the layers that no rule names.
  TORCH_ARG(int64_t, bits);
  /// Bit widths of layers, weight and bias alike; of several rules that match a layer the last one counts.
  TORCH_ARG(std::vector<LayerRule>, layer_bits);
  /// Layers that stay float, shortcuts too, whatever layer_bits says of them.
  TORCH_ARG(std::vector<std::string>, keep_float);
};

/// The bit width that the rules give each quantizable layer of the module, 0 for those that stay float.
/// Shortcuts are among them only where keep_float names them: layer_bits does not speak of them, and whether
/// they get bits is their method's decision. Throws std::invalid_argument for a bit width outside 1 to 16, a
/// pattern that matches no layer or stands twice in its list, and where no layer is left to quantize.
std::map<std::string, int64_t> bits_of_layers(torch::nn::Module& network, const LayerRules& rules);

/// Whether a pattern of layer_bits matches the path.
bool names_layer(const LayerRules& rules, const std::string& path);

}  // namespace bsq
