#include "tools/cli/conversion.h"

#include <charconv>
#include <stdexcept>

#include "bsq/methods/bsq/bit_planes.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

LayerRule parse_rule(const std::string& entry) {
  const auto equals = entry.rfind('=');
  int64_t bits = 0;
  bool is_good = equals != std::string::npos && equals > 0;
  if (is_good) {
    const char* end = entry.data() + entry.size();
    const auto result = std::from_chars(entry.data() + equals + 1, end, bits);
    is_good = result.ec == std::errc() && result.ptr == end && bits >= kMinBits && bits <= kMaxBits;
  }
  if (!is_good) {
    throw UsageError("--layer-bits '" + entry + "': expected PATTERN=BITS, " + std::to_string(kMinBits) +
                     " to " + std::to_string(kMaxBits) + " bits");
  }
  return {entry.substr(0, equals), bits};
}

}  // namespace

std::vector<LayerRule> parse_layer_bits(const std::vector<std::string>& entries) {
  std::vector<LayerRule> rules;
  for (const auto& entry : entries) {
    rules.push_back(parse_rule(entry));
  }
  return rules;
}

void convert_as_asked(Network& network, const ModelFlags& flags) {
  const auto options =
      ToBitsOptions(flags.bit_width()).layer_bits(flags.layer_rules()).keep_float(flags.keep_float);
  try {
    layer_widths(network, options);
  } catch (const std::invalid_argument& error) {
    throw UsageError(std::string("--") + error.what());
  }
  to_bits(network, options);
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
