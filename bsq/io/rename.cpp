#include "bsq/io/rename.h"

#include <algorithm>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>

#include "bsq/base/error.h"

namespace bsq {
namespace {

using Texts = std::vector<std::string>;

Texts split(const std::string& name) {
  Texts parts;
  size_t first = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', first)) {
    parts.push_back(name.substr(first, dot - first));
    first = dot + 1;
  }
  parts.push_back(name.substr(first));
  return parts;
}

std::string join(const Texts& parts) {
  std::string name;
  for (const auto& part : parts) {
    name += (name.empty() ? "" : ".") + part;
  }
  return name;
}

// Whether the pattern matches the whole text; `stars` gains what each '*' stands for.
bool matches(std::string_view pattern, std::string_view text, Texts& stars) {
  if (pattern.empty()) {
    return text.empty();
  }
  if (pattern.front() != '*') {
    return !text.empty() && text.front() == pattern.front() &&
           matches(pattern.substr(1), text.substr(1), stars);
  }
  const size_t known = stars.size();
  for (size_t count = 0; count <= text.size(); ++count) {
    stars.emplace_back(text.substr(0, count));
    if (matches(pattern.substr(1), text.substr(count), stars)) {
      return true;
    }
    stars.resize(known);
  }
  return false;
}

// What the stars of the pattern stand for, where its parts match those of the name from `first` on.
std::optional<Texts> match_at(const Texts& pattern, const Texts& name, size_t first) {
  Texts stars;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!matches(pattern[i], name[first + i], stars)) {
      return std::nullopt;
    }
  }
  return stars;
}

std::string filled(const std::string& replacement, const Texts& stars) {
  std::string text;
  size_t next = 0;
  for (const char c : replacement) {
    text += c == '*' ? stars[next++] : std::string(1, c);
  }
  return text;
}

size_t count_stars(const std::string& text) { return std::count(text.begin(), text.end(), '*'); }

}  // namespace

RenameRule::RenameRule(const std::string& text) : text_(text) {
  constexpr size_t kMostStars = 8;
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw std::invalid_argument("'" + text + "': expected PATTERN=NAME");
  }
  pattern_ = split(text.substr(0, equals));
  replacement_ = text.substr(equals + 1);
  const size_t stars = count_stars(text.substr(0, equals));
  if (stars > kMostStars || count_stars(replacement_) > stars) {
    throw std::invalid_argument("'" + text + "': expected at most " + std::to_string(kMostStars) +
                                " '*', and no more in NAME than in PATTERN");
  }
}

std::string RenameRule::operator()(const std::string& name) const {
  auto parts = split(name);
  for (size_t first = 0; first + pattern_.size() <= parts.size(); ++first) {
    if (const auto stars = match_at(pattern_, parts, first)) {
      const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(first);
      const auto at = parts.erase(begin, begin + static_cast<std::ptrdiff_t>(pattern_.size()));
      if (!replacement_.empty()) {
        parts.insert(at, filled(replacement_, *stars));
      }
      return join(parts);
    }
  }
  return name;
}

void rename_tensors(NetworkState& state, const std::vector<RenameRule>& rules) {
  for (const auto& rule : rules) {
    bool is_used = false;
    for (auto& entry : state) {
      const auto name = rule(entry.first);
      is_used = is_used || name != entry.first;
      entry.first = name;
    }
    if (!is_used) {
      throw Error("no tensor has a name that '" + rule.text() + "' changes");
    }
  }
  std::set<std::string> names;
  for (const auto& entry : state) {
    if (entry.first.empty() || !names.insert(entry.first).second) {
      throw Error("two tensors are called '" + entry.first + "' after renaming");
    }
  }
}

void drop_common_prefixes(NetworkState& state, const std::vector<std::string>& expected) {
  const auto starts_with = [](const std::string& name, const std::string& prefix) {
    return name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0;
  };
  bool is_found = !state.empty();
  while (is_found) {
    is_found = false;
    for (const std::string prefix : {"module.", "model.", "_orig_mod.", "net."}) {
      const auto has_prefix = [&](const auto& entry) { return starts_with(entry.first, prefix); };
      const bool is_known = std::any_of(expected.begin(), expected.end(),
                                        [&](const auto& name) { return starts_with(name, prefix); });
      if (!is_known && std::all_of(state.begin(), state.end(), has_prefix)) {
        for (auto& entry : state) {
          entry.first.erase(0, prefix.size());
        }
        is_found = true;
      }
    }
  }
}

void drop_tensors(NetworkState& state, const std::vector<std::string>& beginnings) {
  const auto is_dropped = [&](const auto& entry) {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](const std::string& beginning) { return entry.first.rfind(beginning, 0) == 0; });
  };
  state.erase(std::remove_if(state.begin(), state.end(), is_dropped), state.end());
}

}  // namespace bsq
