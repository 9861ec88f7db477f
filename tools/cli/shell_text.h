#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// Words as a shell reads them back.
std::string shell_text(const std::vector<std::string>& words);

}  // namespace bsq::cli
