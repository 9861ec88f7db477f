#pragma once

#include <string>

namespace bsq::cli {

/// A line on stderr, beside the record on stdout. Control characters are shown, not sent.
void notice(const std::string& text);

}  // namespace bsq::cli
