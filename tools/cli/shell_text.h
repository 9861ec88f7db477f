#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// Words as one line that bash reads as these words again; bytes that are no printable characters stand as
/// $'\x1b'.
std::string shell_text(const std::vector<std::string>& words);

/// The text for a terminal: control characters, line ends too, and bytes that are no UTF-8 stand as \x1b.
std::string shown_text(const std::string& text);

/// Whether all of a text is UTF-8.
bool is_utf8(const std::string& text);

}  // namespace bsq::cli
