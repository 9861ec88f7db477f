#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/command_line.h"

namespace bsq::cli {

/// Everything that report can be told.
struct ReportOptions {
  std::vector<std::string> folders;
  std::string output = "report";
  bool overwrite = false;
  bool latency = false;       ///< of every model, measured
  int64_t watch_seconds = 0;  ///< 0: write the page once
};

/// Adds report's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, ReportOptions& options);
/// The line of report, without options.
CommandLine report_command_line();

/// Throws OptionError and HelpRequest.
ReportOptions parse_report_options(int argc, const char* const* argv);

}  // namespace bsq::cli
