#include "tools/sweep/settings.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <filesystem>
#include <fstream>

#include "bsq/base/error.h"
#include "tools/cli/option_error.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace po = boost::program_options;

Settings Settings::read(const std::string& path) {
  std::ifstream in(path);
  if (!in || std::filesystem::is_directory(path)) {
    throw Error(path + ": cannot be read; expected a preset in INI form");
  }
  Settings settings;
  try {
    const auto parsed = po::parse_config_file(in, po::options_description(), /*allow_unregistered=*/true);
    for (const auto& option : parsed.options) {
      std::vector<std::string> values;
      if (const auto at = settings.find(option.string_key); at != settings.entries_.end()) {
        values = at->second;
      }
      values.insert(values.end(), option.value.begin(), option.value.end());
      settings.set(option.string_key, values);
    }
  } catch (po::error& error) {
    throw UsageError(path + ": " + message_of(error));
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
    std::vector<std::string> values;
    if (const auto at = settings.find(name); at != settings.entries_.end()) {
      values = at->second;
    }
    values.push_back(word.substr(equals + 1));
    settings.set(name, values);
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

std::string shell_text(const std::vector<std::string>& words) {
  static const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%";
  std::string text;
  for (const auto& word : words) {
    text += text.empty() ? "" : " ";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
      text += word;
      continue;
    }
    text += '\'';
    for (const char c : word) {
      text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    text += '\'';
  }
  return text;
}

}  // namespace bsq::cli
