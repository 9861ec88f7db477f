#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/cli/argument_reader.h"
#include "tools/cli/option_family.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {

/// Thrown for --help, --version and --list-options; the text goes to stdout, exit status 0.
struct HelpRequest {
  std::string text;
};

/// The command line of one program: its table of options, the families that add to it, and the words that
/// belong to no option. Every program has --help, --version and --list-options.
class CommandLine {
 public:
  /// `usage` is what stands above the options in the help: what the program does, and its usage line.
  CommandLine(std::string program, std::string usage);

  OptionTable& table() { return table_; }
  const OptionTable& table() const { return table_; }
  const std::string& program() const { return program_; }
  const std::string& usage() const { return usage_; }
  const std::vector<OptionFamily>& families() const { return families_; }

  /// Adds --config, which reads options from an INI file or a preset.
  void add_config();
  /// The member's options are added when parse() knows its name.
  void add_family(OptionFamily family) { families_.push_back(std::move(family)); }
  /// Words that belong to no option go here; `name` stands for them in the help. Without it they are refused.
  void add_operands(const std::string& name, std::vector<std::string>* target);
  const std::string& operand_name() const { return operand_name_; }

  /// Fills the variables of the table: first from the run that --resume takes up, then from --config's file,
  /// then from the arguments. Throws OptionError for a wrong call, HelpRequest, and bsq::Error for files.
  void parse(int argc, const char* const* argv);

  /// After parse(): the options that are kept, as INI text that --config reads again.
  std::string configuration() const;

 private:
  struct Preset {
    std::string path;
    OptionTexts texts;
  };

  bool is_on(const OptionTexts& texts, const std::string& name) const;
  bool asks(const OptionTexts& call) const;
  Preset read_preset(const OptionTexts& call) const;
  void add_members(const OptionTexts& call, const OptionTexts& file, const OptionTexts& stored);
  void answer(const OptionTexts& call) const;
  void refuse_unknown(const std::string& name) const;
  void take_operands(const std::vector<std::string>& words) const;
  void take(const Preset& preset);

  std::string program_;
  std::string usage_;
  OptionTable table_;
  std::vector<OptionFamily> families_;
  std::map<std::string, std::string> chosen_;  // a family's option to the member that takes part
  bool wants_help_ = false;
  bool wants_version_ = false;
  bool wants_list_ = false;
  std::string config_;
  std::string operand_name_;
  std::vector<std::string>* operands_ = nullptr;
};

}  // namespace bsq::cli
