// Prints docs/flags.md, made of the tables that the programs read their command lines with.
#include <algorithm>
#include <deque>
#include <iostream>
#include <string>
#include <vector>

#include "bsq_train/train_options.h"
#include "convert/convert_options.h"
#include "finetune/finetune_options.h"
#include "tools/cli/option_help.h"
#include "tools/cli/presets.h"
#include "tools/describe_options.h"
#include "tools/export/export_options.h"
#include "tools/infer/infer_options.h"
#include "tools/report/report_options.h"
#include "tools/sweep/sweep_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kIntroduction =
    "# Options\n"
    "\n"
    "Made by `build/bin/flags_page >docs/flags.md` from the tables that the programs read their command "
    "lines "
    "with; do not edit.\n"
    "\n"
    "An option goes by its own name, by the published one behind it, or by its letter. Lists are separated "
    "by "
    "commas or blanks.\n"
    "An option that has no effect in the run at hand is refused with exit status 2 and the reason. "
    "`--config` "
    "reads options from a\n"
    "preset or from a run's `config.cfg`; the command line wins.\n"
    "\n"
    "With `--resume` an option keeps the value that the run has. Another value is refused for an option "
    "marked "
    "*fixed*, taken for one\n"
    "marked *free*, and taken for one marked *override* where `--override-resume NAME,...` names it. An "
    "option "
    "marked *call* concerns\n"
    "one call alone and is not stored.\n";

// One option, as all programs that have it say.
struct Row {
  const Option* option;
  std::vector<std::string> programs;
  std::vector<std::string> defaults;  ///< one a program
};

class Page {
 public:
  // Takes the line's options, and those of every member of its families.
  void add(const CommandLine& line) {
    add(line.table(), line.program());
    for (const auto& family : line.families()) {
      for (const auto& name : family.names()) {
        family.add(members_.emplace_back(), name);
        add(members_.back(), line.program());
      }
    }
  }

  void print(std::ostream& out) const {
    out << kIntroduction;
    for (const auto& section : sections_) {
      out << "\n## " << section
          << "\n\n| option | programs | default | resume | meaning |\n|---|---|---|---|---|\n";
      for (const auto& row : rows_) {
        if (row.option->section() == section) {
          out << text_of(row);
        }
      }
    }
  }

 private:
  void add(const OptionTable& table, const std::string& program) {
    add_sections(sections_, table);
    for (const auto& option : table.options()) {
      auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& other) {
        return other.option->name() == option.name() && other.option->section() == option.section() &&
               other.option->help() == option.help();
      });
      if (row == rows_.end()) {
        row = rows_.insert(row, {&option, {}, {}});
      }
      row->programs.push_back(program);
      row->defaults.push_back(option.default_text());
    }
  }

  static std::string names_of(const Option& option) {
    const auto word = value_word(option);
    std::string text = "`--" + option.name() + (word.empty() ? "" : " " + word) + "`";
    for (const auto& alias : option.aliases()) {
      text += ", `--" + alias + "`";
    }
    if (option.short_letter() != '\0') {
      text += std::string(", `-") + option.short_letter() + "`";
    }
    return text;
  }

  // "350 (finetune 300)".
  static std::string default_of(const Row& row) {
    std::string others;
    for (size_t i = 1; i < row.programs.size(); ++i) {
      if (row.defaults[i] != row.defaults[0]) {
        others += (others.empty() ? "" : ", ") + row.programs[i] + " " + row.defaults[i];
      }
    }
    return row.defaults[0] + (others.empty() ? "" : " (" + others + ")");
  }

  // A bar would end a cell.
  static std::string cell(const std::string& text) {
    std::string cell;
    for (const char c : text) {
      cell += c == '|' ? std::string("\\|") : std::string(1, c);
    }
    return cell;
  }

  static std::string text_of(const Row& row) {
    std::string programs;
    for (const auto& program : row.programs) {
      programs += (programs.empty() ? "" : ", ") + program;
    }
    std::string text = "|";
    for (const auto& part :
         {names_of(*row.option), programs, default_of(row),
          std::string(to_string(row.option->resume_rule().value())), help_sentence(*row.option)}) {
      text += " " + cell(part) + " |";
    }
    return text + "\n";
  }

  std::vector<std::string> sections_;
  std::vector<Row> rows_;
  std::deque<OptionTable> members_;
};

void print_presets(std::ostream& out) {
  out << "\n## Presets\n\nFiles in models/presets, for `--config NAME`.\n\n"
         "| preset | program | what it is |\n|---|---|---|\n";
  for (const char* program : {"bsq_train", "finetune"}) {
    for (const auto& preset : presets_in(preset_folder(), program)) {
      out << "| `" << preset.name << "` | " << program << " | " << preset.sentence << " |\n";
    }
  }
}

void print_page(std::ostream& out) {
  TrainOptions train;
  ConvertOptions convert;
  FinetuneOptions finetune;
  DescribeOptions describe;
  InferOptions infer;
  ExportOptions exported;
  SweepFlags sweep;
  ReportOptions report;
  CommandLine lines[] = {train_command_line(),    convert_command_line(), finetune_command_line(),
                         describe_command_line(), infer_command_line(),   export_command_line(),
                         sweep_command_line(),    report_command_line()};
  add_options(lines[0], train);
  add_options(lines[1], convert);
  add_options(lines[2], finetune);
  add_options(lines[3], describe);
  add_options(lines[4], infer);
  add_options(lines[5], exported);
  add_options(lines[6], sweep);
  add_options(lines[7], report);
  Page page;
  for (const auto& line : lines) {
    page.add(line);
  }
  page.print(out);
  print_presets(out);
}

}  // namespace
}  // namespace bsq::cli

int main() {
  bsq::cli::print_page(std::cout);
  return std::cout.flush() ? 0 : 1;
}
