#include "tools/cli/conversion.h"

#include <charconv>
#include <stdexcept>

#include "bsq/methods/bsq/bit_planes.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

// The entries between commas; an empty one is there too, but an empty text has none.
std::vector<std::string> entries_of(const std::string& text) {
  std::vector<std::string> entries;
  for (size_t from = 0; !text.empty() && from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    entries.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return entries;
}

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

std::vector<LayerRule> parse_layer_bits(const std::string& text) {
  std::vector<LayerRule> rules;
  for (const auto& entry : entries_of(text)) {
    rules.push_back(parse_rule(entry));
  }
  return rules;
}

std::vector<std::string> parse_keep_float(const std::string& text) {
  auto patterns = entries_of(text);
  for (const auto& pattern : patterns) {
    if (pattern.empty()) {
      throw UsageError("--keep-float '" + text + "': an empty pattern; expected PATTERN,...");
    }
  }
  return patterns;
}

void convert_as_asked(Network& network, const ModelFlags& flags) {
  const auto options = ToBitsOptions(flags.bits).layer_bits(flags.layer_bits).keep_float(flags.keep_float);
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

}  // namespace bsq::cli
