#include "tools/sweep/command_words.h"

#include <algorithm>
#include <filesystem>

#include "tools/cli/shell_text.h"

namespace bsq::cli {
namespace {

using Words = std::vector<std::string>;

// The program, then every option under its own name with its values; sorted.
std::vector<Words> parts_of(const Words& command) {
  if (command.empty()) {
    return {};
  }
  auto settings = Settings::of_arguments({command.begin() + 1, command.end()});
  settings.use_own_names(command.front());
  std::vector<Words> parts = {{command.front()}};
  for (const auto& [name, values] : settings.entries()) {
    parts.push_back({"--" + name});
    for (const auto& value : values) {
      if (value != "true") {
        parts.back().push_back(plain_path(value));
      }
    }
  }
  std::sort(parts.begin(), parts.end());
  return parts;
}

// The parts of one that the other does not have.
std::string own_text(const std::vector<Words>& parts, const std::vector<Words>& other) {
  Words words;
  for (const auto& part : parts) {
    if (!std::binary_search(other.begin(), other.end(), part)) {
      words.insert(words.end(), part.begin(), part.end());
    }
  }
  return words.empty() ? "" : "'" + shell_text(words) + "'";
}

}  // namespace

std::string plain_path(const std::string& path) {
  auto plain = std::filesystem::path(path).lexically_normal().string();
  if (plain.size() > 1 && plain.back() == '/') {
    plain.pop_back();
  }
  return plain;
}

std::string difference_text(const Words& found, const Words& expected) {
  const auto left = parts_of(found);
  const auto right = parts_of(expected);
  const auto here = own_text(left, right);
  const auto there = own_text(right, left);
  if (here.empty() && there.empty()) {
    return "";
  }
  return here.empty()    ? "holds no " + there + "; expected it"
         : there.empty() ? "holds " + here + "; expected the command without it"
                         : "holds " + here + "; expected " + there;
}

}  // namespace bsq::cli
