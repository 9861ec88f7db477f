#include "tools/cli/shell_text.h"

#include <cstdio>

namespace bsq::cli {
namespace {

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

// The bytes of the UTF-8 character at `at`; 0 where there is none.
size_t character_bytes(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const unsigned first = byte(at);
  const size_t count = first < 0x80   ? 1
                       : first < 0xc2 ? 0
                       : first < 0xe0 ? 2
                       : first < 0xf0 ? 3
                       : first < 0xf5 ? 4
                                      : 0;
  for (size_t i = 1; i < count; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  const unsigned second = byte(at + 1);
  const bool is_beyond = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                         (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return is_beyond ? 0 : count;
}

bool needs_escapes(const std::string& word) { return shown_text(word) != word; }

// bash's $'...', which names every byte that is no printable character.
std::string escaped_word(const std::string& word) {
  std::string quoted;
  for (const char c : word) {
    quoted += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return "$'" + shown_text(quoted) + "'";
}

std::string quoted_word(const std::string& word) {
  std::string text = "'";
  for (const char c : word) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

}  // namespace

std::string shown_text(const std::string& text) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t count = character_bytes(text, i);
    if (count == 0 || is_control(byte)) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", byte);
      shown += code;
      ++i;
      continue;
    }
    shown += text.substr(i, count);
    i += count;
  }
  return shown;
}

bool is_utf8(const std::string& text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t count = character_bytes(text, at);
    if (count == 0) {
      return false;
    }
    at += count;
  }
  return true;
}

std::string shell_text(const std::vector<std::string>& words) {
  static const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%";
  std::string text;
  for (const auto& word : words) {
    const bool is_plain = !word.empty() && word.find_first_not_of(plain) == std::string::npos;
    text += text.empty() ? "" : " ";
    text += is_plain ? word : needs_escapes(word) ? escaped_word(word) : quoted_word(word);
  }
  return text;
}

}  // namespace bsq::cli
