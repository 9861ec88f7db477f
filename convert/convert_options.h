#pragma once

#include <string>

#include "tools/cli/command_line.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that convert can be told.
struct ConvertOptions {
  ModelFlags model;
  DataFlags data;
  RuntimeFlags runtime;
  OutputFlags output{"checkpoints/convert", ""};
  std::string scheme_file;  ///< --dict; "": every layer at --bits
  std::string export_file;  ///< --export-pth; "": none
  bool fuse = false;        ///< whether batch norms go into scales and biases, and nothing else changes
  bool overwrite = false;   ///< whether earlier models may go
};

/// Adds convert's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, ConvertOptions& options);
/// The line of convert, without options.
CommandLine convert_command_line();

/// Throws OptionError, HelpRequest and, for files, bsq::Error.
ConvertOptions parse_convert_options(int argc, const char* const* argv);

}  // namespace bsq::cli
