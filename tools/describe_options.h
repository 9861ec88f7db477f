#pragma once

#include <string>
#include <vector>

#include "bsq/nn/network_description.h"
#include "tools/cli/command_line.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that describe can be told.
struct DescribeOptions {
  std::vector<std::string> files;
  bool is_json = false;
  bool is_brief = false;
  bool latency = false;  ///< the engine's, measured
  ModelFlags network;    ///< of -a NAME: no file is read then
  int64_t image_size = 32;
  int64_t classes = 10;

  /// The network that -a and its options describe.
  NetworkDescription description() const;
};

/// Adds describe's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, DescribeOptions& options);
/// The line of describe, without options.
CommandLine describe_command_line();

/// Throws OptionError and HelpRequest.
DescribeOptions parse_describe_options(int argc, const char* const* argv);

}  // namespace bsq::cli
