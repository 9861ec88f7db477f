#pragma once

#include <string>
#include <vector>

#include "tools/cli/command_line.h"

namespace bsq::cli {

/// Everything that describe can be told.
struct DescribeOptions {
  std::vector<std::string> files;
  bool is_json = false;
  bool is_brief = false;
};

/// Adds describe's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, DescribeOptions& options);
/// The line of describe, without options.
CommandLine describe_command_line();

/// Throws OptionError and HelpRequest.
DescribeOptions parse_describe_options(int argc, const char* const* argv);

}  // namespace bsq::cli
