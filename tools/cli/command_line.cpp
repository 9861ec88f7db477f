#include "tools/cli/command_line.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "bsq/base/error.h"
#include "tools/cli/ini.h"
#include "tools/cli/option_help.h"
#include "tools/cli/presets.h"
#include "tools/cli/program_name.h"
#include "tools/cli/resume_flags.h"
#include "tools/cli/version.h"

namespace bsq::cli {
namespace {

constexpr const char* kGeneral = "General";

// An INI text cannot hold every text: a '#' begins a comment, blanks at the ends are cut off.
bool can_stand_in_ini(const std::string& text) {
  const auto is_blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  return text.empty() || (text.find_first_of("#\n\r") == std::string::npos && !is_blank(text.front()) &&
                          !is_blank(text.back()));
}

// These are looked at before any file is.
bool decides_what_is_read(const Option& option) {
  return option.section() == kGeneral || option.name() == "resume" || option.name() == "override-resume";
}

bool is_member(const OptionFamily& family, const std::string& name) {
  const auto names = family.names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string usage)
    : program_(std::move(program)), usage_(std::move(usage)) {
  table_.section(kGeneral);
  table_.add("help", &wants_help_, "print this text").letter('h').resume(ResumeRule::kCall);
  table_.add("version", &wants_version_, "print the versions of this program and of what it is built on")
      .resume(ResumeRule::kCall);
  table_
      .add("list-options", &wants_list_,
           "print the options for programs: name, value and choices, separated by tabs")
      .resume(ResumeRule::kCall);
}

void CommandLine::add_config() {
  table_.section(kGeneral);
  table_
      .add("config", &config_,
           "read options from this INI file too (a run's config.cfg), or from the preset of this name; the "
           "command line wins")
      .value_name("PRESET")
      .resume(ResumeRule::kCall);
}

void CommandLine::add_operands(const std::string& name, std::vector<std::string>* target) {
  operand_name_ = name;
  operands_ = target;
}

void CommandLine::parse(int argc, const char* const* argv) {
  // The first reading finds which members of the families take part; the second one knows their options.
  const auto first = read_arguments(table_, argc, argv).options;
  const auto preset = read_preset(first);
  std::optional<ResumedRun> run;
  if (is_on(first, "resume") && !asks(first)) {
    run.emplace(table_.said(first, "out").value_or(table_.find("out")->text()));
  }
  add_members(first, preset.texts, run ? run->texts() : OptionTexts());
  answer(first);
  const auto arguments = read_arguments(table_, argc, argv);
  if (!arguments.unknown.empty()) {
    refuse_unknown(arguments.unknown.front());
  }
  take_operands(arguments.operands);
  if (run) {
    run->fill(table_);
  }
  take(preset);
  table_.set_all(arguments.options, OptionSource::kCall);
  table_.check();
  if (run) {
    run->check(table_);
  }
}

bool CommandLine::is_on(const OptionTexts& texts, const std::string& name) const {
  return table_.said(texts, name) == "true";
}

// Whether nothing but a question is to be answered.
bool CommandLine::asks(const OptionTexts& call) const {
  return is_on(call, "help") || is_on(call, "version") || is_on(call, "list-options");
}

CommandLine::Preset CommandLine::read_preset(const OptionTexts& call) const {
  const auto named = table_.said(call, "config");
  if (!named) {
    return {};
  }
  Preset preset;
  preset.path = preset_path(*named);
  preset.texts = parse_ini(read_ini_file(preset.path, "a preset in INI form"), preset.path);
  for (const auto& [name, text] : preset.texts) {
    const auto* option = table_.find(name);
    if (option != nullptr && decides_what_is_read(*option)) {
      throw UsageError(preset.path + ": " + name + ": expected on the command line, not in a file");
    }
  }
  return preset;
}

void CommandLine::add_members(const OptionTexts& call, const OptionTexts& file, const OptionTexts& stored) {
  for (const auto& family : families_) {
    auto name = table_.said(call, family.option);
    for (const auto* texts : {&file, &stored}) {
      name = name ? name : table_.said(*texts, family.option);
    }
    const auto chosen = name.value_or(family.default_name);
    chosen_[family.option] = chosen;
    if (is_member(family, chosen)) {
      family.add(table_, chosen);
    } else if (const auto called = table_.said(call, family.option)) {
      table_.set(family.option, *called);  // says which ones there are
    }
  }
}

void CommandLine::answer(const OptionTexts& call) const {
  if (is_on(call, "help")) {
    throw HelpRequest{help_text(*this)};
  }
  if (is_on(call, "version")) {
    throw HelpRequest{version_text(called_name(program_))};
  }
  if (is_on(call, "list-options")) {
    throw HelpRequest{option_list(*this)};
  }
}

// An option of another member of a family has no effect in this run.
void CommandLine::refuse_unknown(const std::string& name) const {
  if (name.rfind("--", 0) != 0) {
    throw UsageError(name + ": no such option");
  }
  const auto plain = name.substr(2);
  for (const auto& family : families_) {
    for (const auto& member : family.names()) {
      OptionTable other;
      family.add(other, member);
      if (other.knows(plain)) {
        const auto flag = "--" + family.option + " ";
        throw UsageError(name + ": no effect with " + flag + chosen_.at(family.option) + "; it belongs to " +
                         flag + member);
      }
    }
  }
  throw UsageError(table_.unknown_text(plain));
}

void CommandLine::take_operands(const std::vector<std::string>& words) const {
  if (operands_ != nullptr) {
    *operands_ = words;
  } else if (!words.empty()) {
    throw UsageError("'" + words.front() + "': unexpected; expected an option");
  }
}

void CommandLine::take(const Preset& preset) {
  try {
    for (const auto& [name, text] : preset.texts) {
      if (!table_.knows(name)) {
        refuse_unknown("--" + name);
      }
    }
    table_.set_all(preset.texts, OptionSource::kFile);
  } catch (const OptionError& error) {
    throw UsageError(preset.path + ": " + error.what());
  }
}

std::string CommandLine::configuration() const {
  std::string text;
  for (const auto& [name, value] : table_.values()) {
    if (!can_stand_in_ini(value)) {
      throw UsageError(table_.find(name)->spelled() + " '" + value +
                       "': expected a text without '#', line breaks and blanks at its ends, which a run's "
                       "configuration cannot hold");
    }
    text += name + " = " + value + "\n";
  }
  return text;
}

}  // namespace bsq::cli
