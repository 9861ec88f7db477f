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

// The layers that rules speak of.
std::vector<std::pair<std::string, QuantLayer*>> rule_layers(torch::nn::Module& network) {
  auto layers = quant_layers(network);
  const auto is_shortcut = [](const auto& item) { return item.second->role() == LayerRole::kShortcut; };
  layers.erase(std::remove_if(layers.begin(), layers.end(), is_shortcut), layers.end());
  return layers;
}

std::string list_of_layers(torch::nn::Module& network) {
  std::string text;
  for (const auto& [name, layer] : rule_layers(network)) {
    text += (text.empty() ? "" : ", ") + name;
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
      throw std::invalid_argument(where + ": matches no layer; the layers are " + list_of_layers(network));
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
  BitsByLayer bits;
  for (const auto& [name, layer] : rule_layers(network)) {
    bits[name] = rules.bits();
  }
  apply_rules("layer-bits", rules.layer_bits(), network, bits);
  apply_rules("keep-float", float_rules(rules), network, bits);
  const auto is_kept = [](const auto& item) { return item.second == kKeptFloat; };
  if (std::all_of(bits.begin(), bits.end(), is_kept)) {
    throw std::invalid_argument("keep-float: no layer is left to convert; the layers are " +
                                list_of_layers(network));
  }
  return bits;
}

bool names_layer(const LayerRules& rules, const std::string& path) {
  const auto& list = rules.layer_bits();
  return std::any_of(list.begin(), list.end(),
                     [&](const LayerRule& rule) { return matches(rule.first, path); });
}

}  // namespace bsq
