#pragma once

#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that finetune can be told.
struct FinetuneOptions : SessionFlags {
  std::string export_file;  ///< --export-pth; "": none
};

/// Throws UsageError, HelpRequest and, for files, bsq::Error.
FinetuneOptions parse_finetune_options(int argc, const char* const* argv);

}  // namespace bsq::cli
