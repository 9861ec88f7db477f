#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bsq::cli {

/// Flags of one program, named without dashes, in the order in which they came. A name with several values is
/// a list (`schedule`); "true" and "false" are switches.
class Settings {
 public:
  /// A name and its values.
  using Entry = std::pair<std::string, std::vector<std::string>>;

  /// Reads a preset. Throws bsq::Error where the file cannot be read, UsageError where it is no INI text.
  static Settings read(const std::string& path);
  /// Takes a program's arguments, without the program.
  static Settings of_arguments(const std::vector<std::string>& words);
  /// Takes NAME=VALUE words; a name that comes again makes a list. Throws UsageError that begins with `flag`.
  static Settings of_words(const std::string& flag, const std::vector<std::string>& words);

  void set(const std::string& name, const std::string& value) { set(name, std::vector<std::string>{value}); }
  void set(const std::string& name, const std::vector<std::string>& values);
  void remove(const std::string& name);
  /// Removes what the program does not have.
  void keep_those_of(const std::string& program);
  /// Gives every option of the program its own name: "decay" becomes "alpha". Words become the values that
  /// they stand for, "float" becomes "method" with the value "float".
  void use_own_names(const std::string& program);
  /// Every name of `other` replaces the same one here.
  void merge(const Settings& other);

  bool has(const std::string& name) const;
  const std::vector<Entry>& entries() const { return entries_; }
  /// The first value.
  std::optional<std::string> value(const std::string& name) const;
  /// The flags as a program's arguments: ["--lr", "0.1", "--L1"].
  std::vector<std::string> arguments() const;

 private:
  void append(const std::string& name, const std::string& value);
  std::vector<Entry>::const_iterator find(const std::string& name) const;

  std::vector<Entry> entries_;
};

}  // namespace bsq::cli
