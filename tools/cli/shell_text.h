#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// Words as one line that bash reads as these words again; bytes that are no printable characters stand as
/// $'\x1b'.
std::string shell_text(const std::vector<std::string>& words);

}  // namespace bsq::cli
