#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

/// The literals that protocols 0 and 1 write as text. Each gives nothing where the text is not one.

/// A decimal integer, with Python 2's "L" behind it or without: a kInteger value, kBigInteger beyond 64 bits.
std::optional<Value> decode_integer_text(std::string_view text);
/// A real number as Python's repr() writes it, "inf" and "nan" too.
std::optional<double> decode_real_text(std::string_view text);
/// The bytes between quotes, as Python 2's repr() of a str writes them.
std::optional<std::string> decode_quoted_text(std::string_view text);
/// Latin-1 with \uXXXX and \UXXXXXXXX in it ("raw-unicode-escape"), as UTF-8.
std::optional<std::string> decode_raw_unicode(std::string_view text);
/// Where the quoted text that begins `text` ends, past its closing quote. Nothing if it does not end.
std::optional<size_t> quoted_length(std::string_view text);

}  // namespace bsq::pickle
