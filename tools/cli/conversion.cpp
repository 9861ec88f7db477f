#include "tools/cli/conversion.h"

#include <charconv>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/layers_of.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr int64_t kMostActivationBits = 32;

LayerRule parse_rule(const char* flag, const std::string& entry, int64_t least, int64_t most) {
  const auto equals = entry.rfind('=');
  int64_t bits = 0;
  bool is_good = equals != std::string::npos && equals > 0;
  if (is_good) {
    const char* end = entry.data() + entry.size();
    const auto result = std::from_chars(entry.data() + equals + 1, end, bits);
    is_good = result.ec == std::errc() && result.ptr == end && bits >= least && bits <= most;
  }
  if (!is_good) {
    throw UsageError(std::string("--") + flag + " '" + entry + "': expected PATTERN=BITS, " +
                     std::to_string(least) + " to " + std::to_string(most) + " bits");
  }
  return {entry.substr(0, equals), bits};
}

std::vector<LayerRule> parse_rules(const char* flag, const std::vector<std::string>& entries, int64_t least,
                                   int64_t most) {
  std::vector<LayerRule> rules;
  for (const auto& entry : entries) {
    rules.push_back(parse_rule(flag, entry, least, most));
  }
  return rules;
}

}  // namespace

std::vector<LayerRule> parse_layer_bits(const std::vector<std::string>& entries) {
  return parse_rules("layer-bits", entries, kMinBits, kMaxBits);
}

std::vector<LayerRule> parse_layer_act(const std::vector<std::string>& entries) {
  return parse_rules("layer-act", entries, /*least=*/0, kMostActivationBits);
}

LayerRules layer_rules(const ModelFlags& flags) {
  return LayerRules(flags.bit_width()).layer_bits(flags.layer_rules()).keep_float(flags.keep_float);
}

void check_layer_rules(Network& network, const LayerRules& rules) {
  try {
    bits_of_layers(network, rules);
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string("--") + error.what());
  }
}

void begin_method(Method& method, Network& network, const SessionFlags& flags) {
  const auto rules = layer_rules(flags.model);
  if (!is_float(network)) {
    refuse_conversion_flags(flags.model, flags.training.needs_bits);
  } else if (flags.training.needs_bits) {
    throw Error(flags.model.model + ": a float network; expected one in bits, as --bin says");
  } else {
    check_layer_rules(network, rules);
  }
  try {
    method.begin(network, {rules, /*is_training=*/!flags.training.evaluate});
  } catch (const std::invalid_argument& error) {
    throw Error((flags.model.model.empty() ? "a new network" : flags.model.model) + ": " + error.what());
  }
}

void refuse_layer_flags(const ModelFlags& flags, const std::string& why) {
  if (flags.names_layers()) {
    throw UsageError(std::string(flags.layer_bits.empty() ? "--keep-float" : "--layer-bits") + ": " + why);
  }
}

void refuse_conversion_flags(const ModelFlags& flags, bool needs_bits) {
  const auto why = flags.model + " holds bits; expected a float network";
  if (flags.bits_by_call && !needs_bits) {
    throw UsageError("--bits: " + why + " (or --bin, with which the file's own bit widths count)");
  }
  refuse_layer_flags(flags, why);
}

}  // namespace bsq::cli
