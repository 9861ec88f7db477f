#pragma once

#include <string>
#include <vector>

#include "tools/cli/command_line.h"

namespace bsq::cli {

/// What stands for the value of an option: "cpu|cuda", "1..16", N, NAME, or what Option::value_name() says;
/// "" for a switch.
std::string value_word(const Option& option);
/// The help of an option and what its words stand for.
std::string help_sentence(const Option& option);

/// Adds the headings of a table in the order of the page; that of a member of a family stands behind what
/// chooses it: "Method bsq" behind "Method".
void add_sections(std::vector<std::string>& sections, const OptionTable& table);

/// What --help prints: the usage, then every option under its heading, with its default and, in a program
/// that has --resume, its rule.
std::string help_text(const CommandLine& line);

/// What --list-options prints, for completion: a line for every name, "--lr", the word for its value and the
/// choices, separated by tabs; last a line with "" as name for words that belong to no option.
std::string option_list(const CommandLine& line);

}  // namespace bsq::cli
