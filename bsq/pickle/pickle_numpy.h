#pragma once

#include <optional>
#include <string>

#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

/// Whether numpy's code for a type ("f8", "i4", "u1", "b1") names a plain number of at most 8 bytes that we
/// read.
bool is_numpy_number(const std::string& code);
/// A numpy scalar from its little-endian bytes: a kFloat or kInteger value. Nothing if the size is wrong.
std::optional<Value> decode_numpy_number(const std::string& code, const std::string& bytes);
/// The bytes that at most 64 bytes of UTF-8 stand for in Latin-1. Nothing if the text is longer or has other
/// characters.
std::optional<std::string> decode_latin1(const std::string& text);

}  // namespace bsq::pickle
