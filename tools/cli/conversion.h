#pragma once

#include <string>
#include <vector>

#include "bsq/methods/method.h"
#include "bsq/nn/layer_rules.h"
#include "bsq/nn/network.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// "conv1=8", "layer1.*=6" as rules. Throws UsageError for an entry that is not PATTERN=BITS with 1 to 16
/// bits.
std::vector<LayerRule> parse_layer_bits(const std::vector<std::string>& entries);

/// The same of activations: 0 (float) to 32 bits.
std::vector<LayerRule> parse_layer_act(const std::vector<std::string>& entries);

/// --bits, --layer-bits and --keep-float as rules.
LayerRules layer_rules(const ModelFlags& flags);
/// Throws UsageError where they do not fit the network.
void check_layer_rules(Network& network, const LayerRules& rules);

/// Lets a method begin with a loaded network, as --bits, --layer-bits, --keep-float and --bin say. Throws
/// UsageError for flags that the network or the method refuses, bsq::Error for a network that it refuses.
void begin_method(Method& method, Network& network, const SessionFlags& flags);

/// Throws UsageError where --layer-bits or --keep-float is given, for a network that is converted already.
void refuse_layer_flags(const ModelFlags& flags, const std::string& why);
/// The same, and for --bits where the command line gives it. With `needs_bits` (--bin) --bits may stand
/// beside a file in bits, as in published commands.
void refuse_conversion_flags(const ModelFlags& flags, bool needs_bits);

}  // namespace bsq::cli
