#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>

#include "tools/cli/flags.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {

/// Thrown for --help; the text goes to stdout, exit status 0.
struct HelpRequest {
  std::string text;
};

/// The options of one tool: Boost's description of them and the values they fill.
class CommandLine {
 public:
  /// `usage` is the line and the sentences above the table of options.
  explicit CommandLine(const std::string& usage);

  void add(const ModelFlags& defaults);
  void add(const DataFlags& defaults);
  void add(const RuntimeFlags& defaults);
  void add(const TrainingFlags& defaults);
  void add_output(const std::string& default_folder);
  /// A tool's own options.
  boost::program_options::options_description& own() { return own_; }

  /// Parses arguments, then --config's file for what they leave open; with --resume the configuration that
  /// checkpoint.h5 holds instead (tools/cli/resume_flags.h). Throws UsageError for anything unknown or
  /// malformed, HelpRequest for --help, bsq::Error for files.
  void parse(int argc, const char* const* argv);

  ModelFlags model() const;
  DataFlags data() const;
  RuntimeFlags runtime() const;
  TrainingFlags training() const;
  OutputFlags output() const;

  const boost::program_options::variables_map& values() const { return values_; }
  /// A number in [low, high]; UsageError otherwise.
  int64_t integer(const std::string& name, int64_t low, int64_t high) const;
  double real(const std::string& name, double low, double high) const;

 private:
  void parse_arguments(int argc, const char* const* argv);
  void parse_ini(const std::string& text, const std::string& from);
  std::string configuration() const;
  template <typename T>
  std::optional<T> optional(const std::string& name) const;

  std::string usage_;
  boost::program_options::options_description all_;
  boost::program_options::options_description own_;
  boost::program_options::variables_map values_;
};

}  // namespace bsq::cli
