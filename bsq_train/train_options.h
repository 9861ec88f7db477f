#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bsq/methods/method.h"
#include "tools/cli/command_line.h"
#include "tools/cli/flags.h"

namespace bsq::cli {

/// Everything that bsq_train can be told.
struct TrainOptions : SessionFlags {
  TrainOptions();

  std::string method = "bsq";
  /// Methods whose options a table holds; the last one trains.
  std::vector<std::unique_ptr<Method>> methods;
  int64_t warmup = 0;
  /// Those options of the method that are given, and their texts.
  std::map<std::string, std::string> method_options;

  Method& trained_by() const { return *methods.back(); }
};

/// Adds bsq_train's options, which fill `options`; both have to live until the line is parsed.
void add_options(CommandLine& line, TrainOptions& options);
/// The line of bsq_train, without options.
CommandLine train_command_line();

/// Throws OptionError, HelpRequest and, for files, bsq::Error.
TrainOptions parse_train_options(int argc, const char* const* argv);

}  // namespace bsq::cli
