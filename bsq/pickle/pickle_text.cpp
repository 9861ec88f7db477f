#include "bsq/pickle/pickle_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace bsq::pickle {
namespace {

constexpr std::pair<char, char> kEscapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'},
                                              {'b', '\b'},  {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                                              {'t', '\t'},  {'v', '\v'}};

// The number that all of the digits make.
std::optional<uint32_t> decode_digits(std::string_view digits, int base) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return number;
}

// Appends the character. Surrogates are none.
bool append_utf8(uint32_t point, std::string& text) {
  const auto rest = [&](int shift) { text += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
    return false;
  }
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xc0 | point >> 6);
    rest(0);
  } else if (point < 0x10000) {
    text += static_cast<char>(0xe0 | point >> 12);
    rest(6);
    rest(0);
  } else {
    text += static_cast<char>(0xf0 | point >> 18);
    rest(12);
    rest(6);
    rest(0);
  }
  return true;
}

// Appends what stands behind a backslash, and gives how many characters that is; 0 for no escape.
size_t append_escape(std::string_view behind, std::string& bytes) {
  if (behind.empty()) {
    return 0;
  }
  for (const auto& [name, byte] : kEscapes) {
    if (behind[0] == name) {
      bytes += byte;
      return 1;
    }
  }
  constexpr size_t kDigits = 2;
  if (behind[0] != 'x' || behind.size() < 1 + kDigits) {
    return 0;
  }
  const auto byte = decode_digits(behind.substr(1, kDigits), /*base=*/16);
  if (!byte) {
    return 0;
  }
  bytes += static_cast<char>(*byte);
  return 1 + kDigits;
}

}  // namespace

std::optional<Value> decode_integer_text(std::string_view text) {
  if (!text.empty() && text.back() == 'L') {
    text.remove_suffix(1);
  }
  Value value;
  value.kind = Kind::kInteger;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value.integer);
  if (text.empty() || end != last || error == std::errc::invalid_argument) {
    return std::nullopt;
  }
  if (error == std::errc::result_out_of_range) {
    value.kind = Kind::kBigInteger;
    value.integer = 0;
  }
  return value;
}

std::optional<double> decode_real_text(std::string_view text) {
  double real = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, real);
  if (text.empty() || end != last || error != std::errc()) {
    return std::nullopt;
  }
  return real;
}

std::optional<size_t> quoted_length(std::string_view text) {
  if (text.empty() || (text[0] != '\'' && text[0] != '"')) {
    return std::nullopt;
  }
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == text[0]) {
      return i + 1;
    }
  }
  return std::nullopt;
}

std::optional<std::string> decode_quoted_text(std::string_view text) {
  if (quoted_length(text) != text.size()) {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    const size_t length = append_escape(text.substr(i + 1), bytes);
    if (length == 0) {
      return std::nullopt;
    }
    i += length;
  }
  return bytes;
}

std::optional<std::string> decode_raw_unicode(std::string_view text) {
  std::string utf8;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t point = static_cast<unsigned char>(text[i]);
    const char kind = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (kind == 'u' || kind == 'U') {
      const size_t digits = kind == 'u' ? 4 : 8;
      const std::string_view code = text.substr(i + 2, digits);
      const auto number = code.size() == digits ? decode_digits(code, /*base=*/16) : std::nullopt;
      if (!number) {
        return std::nullopt;
      }
      point = *number;
      i += 1 + digits;
    }
    if (!append_utf8(point, utf8)) {
      return std::nullopt;
    }
  }
  return utf8;
}

}  // namespace bsq::pickle
