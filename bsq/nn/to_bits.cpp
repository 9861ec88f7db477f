#include "bsq/nn/to_bits.h"

#include <fnmatch.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "bsq/methods/bsq/bit_planes.h"
#include "bsq/nn/network_bits.h"

namespace bsq {
namespace {

using Widths = std::map<std::string, int64_t>;

constexpr int64_t kKeptFloat = 0;

std::string list_of_layers(torch::nn::Module& network) {
  std::string text;
  for (const auto& [name, layer] : bit_capable_layers(network)) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text.empty() ? "none" : text;
}

// Gives `width` to the layers that the pattern matches; false where there are none.
bool apply(const std::string& pattern, int64_t width, Widths& widths) {
  bool any = false;
  for (auto& [name, own] : widths) {
    if (fnmatch(pattern.c_str(), name.c_str(), /*flags=*/0) == 0) {
      own = width;
      any = true;
    }
  }
  return any;
}

void apply_rules(const char* list, const std::vector<LayerRule>& rules, torch::nn::Module& network,
                 Widths& widths) {
  std::set<std::string> patterns;
  for (const auto& [pattern, width] : rules) {
    const auto where = std::string(list) + " '" + pattern + "'";
    if (!patterns.insert(pattern).second) {
      throw std::invalid_argument(where + ": stands twice; expected every pattern once");
    }
    if (!apply(pattern, width, widths)) {
      throw std::invalid_argument(where + ": matches no layer; the layers are " + list_of_layers(network));
    }
  }
}

std::vector<LayerRule> float_rules(const ToBitsOptions& options) {
  std::vector<LayerRule> rules;
  for (const auto& pattern : options.keep_float()) {
    rules.emplace_back(pattern, kKeptFloat);
  }
  return rules;
}

}  // namespace

Widths layer_widths(torch::nn::Module& network, const ToBitsOptions& options) {
  check_bits("bits", options.bits());
  for (const auto& [pattern, width] : options.layer_bits()) {
    check_bits("layer-bits '" + pattern + "'", width);
  }
  Widths widths;
  for (const auto& [name, layer] : bit_capable_layers(network)) {
    widths[name] = options.bits();
  }
  apply_rules("layer-bits", options.layer_bits(), network, widths);
  apply_rules("keep-float", float_rules(options), network, widths);
  const auto is_kept = [](const auto& item) { return item.second == kKeptFloat; };
  if (std::all_of(widths.begin(), widths.end(), is_kept)) {
    throw std::invalid_argument("keep-float: no layer is left to convert; the layers are " +
                                list_of_layers(network));
  }
  return widths;
}

void to_bits(torch::nn::Module& network, const ToBitsOptions& options) {
  if (network_representation(network) != Representation::kFloat) {
    throw std::logic_error("to_bits: the network holds bits; expected a float one");
  }
  const auto widths = layer_widths(network, options);
  Scheme scheme;
  for (auto& [name, layer] : bit_capable_layers(network)) {
    const int64_t width = widths.at(name);
    layer->keep_float(width == kKeptFloat);
    if (width != kKeptFloat) {
      scheme[name] = {width, layer->bias_bits() == nullptr ? 0 : width};
    }
  }
  convert_to_scheme(network, scheme);
}

}  // namespace bsq
