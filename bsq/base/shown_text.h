#pragma once

#include <string>
#include <string_view>

namespace bsq {

/// Text from a file or a command line made fit for a terminal: printable UTF-8 stays, every other byte
/// becomes a hexadecimal escape ("\x1b"). With `keep_lines` line feeds and tabs stay too.
std::string shown_text(std::string_view text, bool keep_lines = false);

/// Whether all of a text is UTF-8.
bool is_utf8(std::string_view text);

}  // namespace bsq
