#pragma once

#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that convert can be told.
struct ConvertOptions {
  ModelFlags model;
  DataFlags data;
  RuntimeFlags runtime;
  OutputFlags output;
  std::string scheme_file;  ///< --dict; "": every layer at --Nbits
  std::string export_file;  ///< --export-pth; "": none
};

/// Throws UsageError and HelpRequest.
ConvertOptions parse_convert_options(int argc, const char* const* argv);

}  // namespace bsq::cli
