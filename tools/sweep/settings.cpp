#include "tools/sweep/settings.h"

#include <algorithm>

#include "tools/cli/ini.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {

// A name that comes again makes a list.
void Settings::append(const std::string& name, const std::string& value) {
  std::vector<std::string> values;
  if (const auto at = find(name); at != entries_.end()) {
    values = at->second;
  }
  values.push_back(value);
  set(name, values);
}

Settings Settings::read(const std::string& path) {
  Settings settings;
  for (const auto& [name, value] : parse_ini(read_ini_file(path, "a preset in INI form"), path)) {
    settings.append(name, value);
  }
  return settings;
}

Settings Settings::of_words(const std::string& flag, const std::vector<std::string>& words) {
  Settings settings;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    const auto name = word.substr(0, equals);
    if (equals == std::string::npos || name.empty() || name[0] == '-') {
      throw UsageError(flag + " " + word + ": expected NAME=VALUE, the name without dashes");
    }
    settings.append(name, word.substr(equals + 1));
  }
  return settings;
}

std::vector<Settings::Entry>::const_iterator Settings::find(const std::string& name) const {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return entry.first == name; });
}

void Settings::set(const std::string& name, const std::vector<std::string>& values) {
  const auto at = find(name);
  if (at == entries_.end()) {
    entries_.emplace_back(name, values);
  } else {
    entries_[static_cast<size_t>(at - entries_.begin())].second = values;
  }
}

void Settings::remove(const std::string& name) {
  if (const auto at = find(name); at != entries_.end()) {
    entries_.erase(at);
  }
}

void Settings::merge(const Settings& other) {
  for (const auto& [name, values] : other.entries_) {
    set(name, values);
  }
}

bool Settings::has(const std::string& name) const { return find(name) != entries_.end(); }

std::optional<std::string> Settings::value(const std::string& name) const {
  const auto at = find(name);
  return at == entries_.end() || at->second.empty() ? std::nullopt : std::optional(at->second.front());
}

std::vector<std::string> Settings::arguments() const {
  std::vector<std::string> words;
  for (const auto& [name, values] : entries_) {
    if (values == std::vector<std::string>{"false"}) {
      continue;
    }
    words.push_back("--" + name);
    if (values != std::vector<std::string>{"true"}) {
      words.insert(words.end(), values.begin(), values.end());
    }
  }
  return words;
}

}  // namespace bsq::cli
