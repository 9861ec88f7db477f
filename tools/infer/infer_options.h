#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/cli/command_line.h"

namespace bsq::cli {

/// Everything that infer can be told.
struct InferOptions {
  std::vector<std::string> files;  ///< the model file, then pictures
  std::optional<std::string> dataset;
  std::string folder = "data";
  static constexpr uint64_t kSeed = 1234;
  std::optional<int64_t> seed;  ///< of synthetic images alone; nothing: kSeed
  int64_t threads = 0;          ///< 0: all cores
  bool compare = false;
  bool profile = false;

  const std::string& model() const { return files.front(); }
  std::vector<std::string> pictures() const { return {files.begin() + 1, files.end()}; }
};

/// Adds infer's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, InferOptions& options);
/// The line of infer, without options.
CommandLine infer_command_line();

/// Throws OptionError and HelpRequest.
InferOptions parse_infer_options(int argc, const char* const* argv);

}  // namespace bsq::cli
