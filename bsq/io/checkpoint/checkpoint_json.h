#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bsq/nn/stored_tensor.h"

namespace bsq {

/// The scheme of a network as JSON text: {"layer1.0.conv1": [bits, bias bits or 0], ...}, every layer whose
/// "L.weight" or "L.bias" holds bits, in alphabetical order.
std::string scheme_text(const NetworkState& network);

/// Whether the text is the scheme of this network; untrusted text of any content is answered with false.
bool is_scheme_of(const std::string& text, const NetworkState& network);

/// An architecture's options as a JSON object of texts, and back. Errors as below.
std::string options_text(const std::map<std::string, std::string>& options);
std::map<std::string, std::string> parse_options(const std::string& text, const std::string& where);

/// Bit widths by pattern as a JSON array of pairs, [["layer1.*", 4], ...], and back: 0 to 32 bits. Errors as
/// below.
std::string rules_text(const std::vector<std::pair<std::string, int64_t>>& rules);
std::vector<std::pair<std::string, int64_t>> parse_rules(const std::string& text, const std::string& where);

/// A list of names as a JSON array, and back. std::invalid_argument for names that are not UTF-8; bsq::Error
/// "WHERE: ..." for text that is not an array of strings.
std::string names_text(const std::vector<std::string>& names);
std::vector<std::string> parse_names(const std::string& text, const std::string& where);

}  // namespace bsq
