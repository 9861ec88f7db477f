#pragma once

#include <string>
#include <vector>

#include "bsq/nn/network.h"
#include "bsq/nn/to_bits.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// "conv1=8", "layer1.*=6" as rules. Throws UsageError for an entry that is not PATTERN=BITS with 1 to 16
/// bits.
std::vector<LayerRule> parse_layer_bits(const std::vector<std::string>& entries);

/// Converts a float network as --bits, --layer-bits and --keep-float say. Throws UsageError where they do
/// not fit the network.
void convert_as_asked(Network& network, const ModelFlags& flags);
/// Throws UsageError where --layer-bits or --keep-float is given, for a network that is converted already.
void refuse_layer_flags(const ModelFlags& flags, const std::string& why);
/// The same, and for --bits where the command line gives it. With `needs_bits` (--bin) --bits may stand
/// beside a file in bits, as in published commands.
void refuse_conversion_flags(const ModelFlags& flags, bool needs_bits);

}  // namespace bsq::cli
