#pragma once

#include <string>

namespace bsq::cli {

/// All that is in a file; "" where it cannot be read.
std::string read_text(const std::string& path);

}  // namespace bsq::cli
