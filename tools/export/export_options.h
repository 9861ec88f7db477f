#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/command_line.h"

namespace bsq::cli {

/// Everything that export can be told.
struct ExportOptions {
  std::vector<std::string> files;
  std::string format;
  std::string output;
  int64_t opset = 17;
  bool is_integer = false;  ///< --int8
  std::string data = "data";
  int64_t images = 256;
  bool overwrite = false;

  bool is_onnx() const { return format == "onnx" || format == "qonnx"; }
};

/// Adds export's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, ExportOptions& options);
/// The line of export, without options.
CommandLine export_command_line();

/// Throws OptionError and HelpRequest.
ExportOptions parse_export_options(int argc, const char* const* argv);

}  // namespace bsq::cli
