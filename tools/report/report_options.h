#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// Everything that report can be told.
struct ReportOptions {
  std::vector<std::string> folders;
  std::string output = "report";
  int watch_seconds = 0;  ///< 0: write the page once
};

/// Throws UsageError and HelpRequest.
ReportOptions parse_report_options(int argc, const char* const* argv);

}  // namespace bsq::cli
