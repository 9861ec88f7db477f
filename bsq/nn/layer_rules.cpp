#include "bsq/nn/layer_rules.h"

#include <fnmatch.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "bsq/nn/layers_of.h"
#include "bsq/quant/codes.h"

namespace bsq {
namespace {

using BitsByLayer = std::map<std::string, int64_t>;

constexpr int64_t kKeptFloat = 0;

// The layers that a list of rules speaks of, with these bits. Shortcuts can only be kept float.
BitsByLayer layers_with(torch::nn::Module& network, int64_t bits, bool are_shortcuts) {
  BitsByLayer layers;
  for (const auto& [name, layer] : quant_layers(network)) {
    if ((layer->role() == LayerRole::kShortcut) == are_shortcuts) {
      layers[name] = bits;
    }
  }
  return layers;
}

// In the network's order.
std::string list_of_layers(torch::nn::Module& network, const BitsByLayer& layers) {
  std::string text;
  for (const auto& [name, layer] : quant_layers(network)) {
    if (layers.count(name) > 0) {
      text += (text.empty() ? "" : ", ") + name;
    }
  }
  return text.empty() ? "none" : text;
}

bool matches(const std::string& pattern, const std::string& path) {
  return fnmatch(pattern.c_str(), path.c_str(), /*flags=*/0) == 0;
}

// Gives that bit width to the layers that the pattern matches; false where there are none.
bool apply(const std::string& pattern, int64_t wanted, BitsByLayer& bits) {
  bool any = false;
  for (auto& [name, own] : bits) {
    if (matches(pattern, name)) {
      own = wanted;
      any = true;
    }
  }
  return any;
}

void apply_rules(const char* list, const std::vector<LayerRule>& rules, torch::nn::Module& network,
                 BitsByLayer& bits) {
  std::set<std::string> patterns;
  for (const auto& [pattern, wanted] : rules) {
    const auto where = std::string(list) + " '" + pattern + "'";
    if (!patterns.insert(pattern).second) {
      throw std::invalid_argument(where + ": stands twice; expected every pattern once");
    }
    if (!apply(pattern, wanted, bits)) {
      throw std::invalid_argument(where + ": matches no layer; the layers are " +
                                  list_of_layers(network, bits));
    }
  }
}

std::vector<LayerRule> float_rules(const LayerRules& rules) {
  std::vector<LayerRule> list;
  for (const auto& pattern : rules.keep_float()) {
    list.emplace_back(pattern, kKeptFloat);
  }
  return list;
}

}  // namespace

BitsByLayer bits_of_layers(torch::nn::Module& network, const LayerRules& rules) {
  check_bits("bits", rules.bits());
  for (const auto& [pattern, wanted] : rules.layer_bits()) {
    check_bits("layer-bits '" + pattern + "'", wanted);
  }
  auto bits = layers_with(network, rules.bits(), /*are_shortcuts=*/false);
  apply_rules("layer-bits", rules.layer_bits(), network, bits);
  auto all = bits;
  auto shortcuts = layers_with(network, rules.bits(), /*are_shortcuts=*/true);
  all.merge(shortcuts);
  apply_rules("keep-float", float_rules(rules), network, all);
  bool any_left = false;
  for (const auto& [name, own] : all) {
    const bool is_shortcut = bits.count(name) == 0;
    any_left = any_left || (!is_shortcut && own != kKeptFloat);
    if (!is_shortcut || own == kKeptFloat) {
      bits[name] = own;
    }
  }
  if (!any_left) {
    throw std::invalid_argument("keep-float: no layer is left to convert; the layers are " +
                                list_of_layers(network, layers_with(network, 0, /*are_shortcuts=*/false)));
  }
  return bits;
}

bool names_layer(const LayerRules& rules, const std::string& path) {
  const auto& list = rules.layer_bits();
  return std::any_of(list.begin(), list.end(),
                     [&](const LayerRule& rule) { return matches(rule.first, path); });
}

}  // namespace bsq
