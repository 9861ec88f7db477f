#pragma once

#include <string>
#include <vector>

namespace bsq {

/// The first of the known words that is nearest to what was written, to say "did you mean"; "" where none is
/// near. A word that only goes on after what was written is near.
std::string nearest_word(const std::string& written, const std::vector<std::string>& known);

}  // namespace bsq
