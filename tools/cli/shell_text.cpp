#include "tools/cli/shell_text.h"

#include "bsq/base/shown_text.h"

namespace bsq::cli {
namespace {

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
