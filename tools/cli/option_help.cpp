#include "tools/cli/option_help.h"

#include <algorithm>
#include <sstream>

#include "tools/cli/presets.h"
#include "tools/cli/program_name.h"

namespace bsq::cli {
namespace {

constexpr size_t kColumn = 36;
constexpr size_t kWidth = 110;
constexpr double kNarrow = 1024;     // a range that tells something ends here
constexpr size_t kMostChoices = 44;  // letters in place of a value

constexpr const char* kRules =
    "\nWith --resume: an option marked fixed keeps the value that the run has; one marked override takes a "
    "new\n"
    "value where --override-resume names it; one marked free takes a new value; one marked call is not "
    "stored.\n";

// "  -a, --arch NAME".
std::string names_text(const Option& option) {
  std::string text =
      option.short_letter() == '\0' ? "      " : std::string("  -") + option.short_letter() + ", ";
  text += "--" + option.name();
  for (const auto& alias : option.aliases()) {
    text += ", --" + alias;
  }
  const auto word = value_word(option);
  return text + (word.empty() ? "" : " " + word);
}

// "(default 0.1; resume: override)".
std::string notes(const Option& option, bool has_rules) {
  std::string text = option.default_text().empty() ? "" : "default " + option.default_text();
  if (has_rules) {
    text += (text.empty() ? "" : "; ") + std::string("resume: ") + to_string(option.resume_rule().value());
  }
  return text.empty() ? "" : " (" + text + ")";
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : separator) + word;
  }
  return text;
}

// Words in lines that begin at the column; the names stand before the first.
std::string wrapped(const std::string& names, const std::string& words) {
  std::string text;
  std::string line = names;
  bool is_empty = true;  // behind the column
  if (line.size() + 2 > kColumn) {
    text = line + "\n";
    line.clear();
  }
  line.resize(kColumn, ' ');
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    if (!is_empty && line.size() + 1 + word.size() > kWidth) {
      text += line + "\n";
      line = std::string(kColumn, ' ');
      is_empty = true;
    }
    line += (is_empty ? "" : " ") + word;
    is_empty = false;
  }
  return text + line + "\n";
}

// "" for a program that takes none.
std::string presets_text(const CommandLine& line) {
  if (line.table().find("config") == nullptr) {
    return "";
  }
  std::string text;
  for (const auto& preset : presets_in(preset_folder(), line.program())) {
    text += wrapped("      " + preset.name, preset.sentence);
  }
  return text.empty() ? "" : "\nPresets, for --config:\n" + text;
}

}  // namespace

std::string value_word(const Option& option) {
  if (option.is_switch()) {
    return "";
  }
  if (!option.value_word().empty()) {
    return option.value_word();
  }
  if (option.choices().empty()) {
    const auto& bounds = option.bounds();
    const bool is_narrow = bounds && bounds->second <= kNarrow && !option.is_list();
    return is_narrow          ? shortest_text(bounds->first) + ".." + shortest_text(bounds->second)
           : option.is_list() ? "N,..."
                              : "N";
  }
  const auto choices = joined(option.choices(), "|");
  return choices.size() > kMostChoices ? "NAME" : choices;
}

std::string help_sentence(const Option& option) {
  auto text = option.help();
  if (value_word(option) == "NAME") {
    text += ": " + joined(option.choices(), ", ");
  }
  for (const auto& word : option.words()) {
    text += "; --" + word.name + (word.yields ? " alone" : "") + " stands for --" + option.name() + " " +
            word.text;
  }
  return text;
}

void add_sections(std::vector<std::string>& sections, const OptionTable& table) {
  for (const auto& option : table.options()) {
    const auto& section = option.section();
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
      const auto general = std::find_if(sections.begin(), sections.end(), [&](const std::string& other) {
        return section.rfind(other + " ", 0) == 0;
      });
      sections.insert(general == sections.end() ? general : general + 1, section);
    }
  }
}

std::string help_text(const CommandLine& line) {
  const bool has_rules = line.table().find("resume") != nullptr;
  auto text = with_called_name(line.usage(), line.program());
  std::vector<std::string> sections;
  add_sections(sections, line.table());
  for (const auto& section : sections) {
    text += "\n" + section + ":\n";
    for (const auto& option : line.table().options()) {
      if (option.section() == section) {
        text += wrapped(names_text(option), help_sentence(option) + notes(option, has_rules));
      }
    }
  }
  return text + presets_text(line) + (has_rules ? kRules : "");
}

std::string option_list(const CommandLine& line) {
  std::string text;
  for (const auto& option : line.table().options()) {
    const auto value = "\t" + value_word(option) + "\t" + joined(option.choices(), " ") + "\n";
    text += "--" + option.name() + value;
    for (const auto& alias : option.aliases()) {
      text += "--" + alias + value;
    }
    if (option.short_letter() != '\0') {
      text += std::string("-") + option.short_letter() + value;
    }
    for (const auto& word : option.words()) {
      text += "--" + word.name + "\t\t\n";
    }
  }
  return line.operand_name().empty() ? text : text + "\t" + line.operand_name() + "\t\n";
}

}  // namespace bsq::cli
