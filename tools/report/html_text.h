#pragma once

#include <string>

namespace bsq::cli {

/// A text with what means something to HTML escaped.
std::string html_text(const std::string& text);
/// A number of so many decimals, or an en dash where it is not finite.
std::string html_number(double value, int decimals);

}  // namespace bsq::cli
