#include "bsq/base/shown_text.h"

#include <cstdint>

namespace bsq {
namespace {

// The bytes of the UTF-8 character at the start of the text, and its code; 0 where there is none.
size_t decode(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0x80 ? 1 : byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) >= 0xf8 || (byte(0) >= 0x80 && byte(0) < 0xc2) || length > text.size()) {
    return 0;
  }
  code = length == 1 ? byte(0) : byte(0) & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      return 0;
    }
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_invalid = code < kLeast[length] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff;
  return is_invalid ? 0 : length;
}

bool may_be_shown(uint32_t code) {
  const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  // These turn the direction of what follows, or break lines.
  const bool is_layout = code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
  return !is_control && !is_layout;
}

}  // namespace

std::string shown_text(std::string_view text, bool keep_lines) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string shown;
  while (!text.empty()) {
    const bool is_kept = keep_lines && (text[0] == '\n' || text[0] == '\t');
    uint32_t code = 0;
    size_t length = decode(text, code);
    if (length > 0 && (is_kept || may_be_shown(code))) {
      shown += text.substr(0, length);
    } else {
      length = 1;
      const auto byte = static_cast<unsigned char>(text[0]);
      shown += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
    text.remove_prefix(length);
  }
  return shown;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = decode(text, code);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace bsq
