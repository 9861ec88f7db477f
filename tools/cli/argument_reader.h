#pragma once

#include <string>
#include <vector>

#include "bsq/base/options.h"

namespace bsq::cli {

/// The words of a command line, sorted.
struct Arguments {
  OptionTexts options;                ///< a switch has the text "true", a list an entry for each word
  std::vector<std::string> operands;  ///< words that belong to no option
  std::vector<std::string> unknown;   ///< with their dashes: names that the table does not have
};

/// Sorts a program's arguments by the names that the table has; values are not looked at. Throws UsageError
/// for an option without its value and a switch with one.
Arguments read_arguments(const OptionTable& table, int argc, const char* const* argv);

}  // namespace bsq::cli
