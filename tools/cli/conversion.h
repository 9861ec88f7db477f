#pragma once

#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/nn/to_bits.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// "conv1=8,layer1.*=6" as rules. Throws UsageError for an entry that is not PATTERN=BITS with 1 to 16 bits.
std::vector<LayerRule> parse_layer_bits(const std::string& text);
/// "fc,layer3.*" as patterns. Throws UsageError for an empty entry.
std::vector<std::string> parse_keep_float(const std::string& text);

/// Converts a float network as --Nbits, --layer-bits and --keep-float say. Throws UsageError where they do
/// not fit the network.
void convert_as_asked(Network& network, const ModelFlags& flags);
/// Throws UsageError where --layer-bits or --keep-float is given, for a network that is converted already.
void refuse_layer_flags(const ModelFlags& flags, const std::string& why);

}  // namespace bsq::cli
