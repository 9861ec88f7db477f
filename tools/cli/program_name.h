#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// The words of this process's command line, its own name first. remember_command_line() sets them, first of
/// all in main().
const std::vector<std::string>& called_words();
void remember_command_line(int argc, const char* const* argv);

/// What the user called to run `program`: "bsq convert" where the program `bsq` became it and says so by
/// argv[0], else `program` itself. Messages, help and version begin with it.
std::string called_name(const std::string& program);

/// What the user calls to run another of the programs in the same way: "bsq convert" or "convert".
std::string sibling_name(const std::string& program);

/// A help text in which the program has the name that the user called: at the beginning and behind "usage: ".
std::string with_called_name(const std::string& usage, const std::string& program);

}  // namespace bsq::cli
