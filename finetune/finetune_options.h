#pragma once

#include <memory>
#include <string>

#include "bsq/methods/method.h"
#include "tools/cli/command_line.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that finetune can be told.
struct FinetuneOptions : SessionFlags {
  FinetuneOptions();

  FinetuneOptions(FinetuneOptions&&) = default;

  std::unique_ptr<Method> method;
  std::string export_file;  ///< --export-pth; "": none
};

/// Adds finetune's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, FinetuneOptions& options);
/// The line of finetune, without options.
CommandLine finetune_command_line();

/// Throws OptionError, HelpRequest and, for files, bsq::Error.
FinetuneOptions parse_finetune_options(int argc, const char* const* argv);

}  // namespace bsq::cli
