#include "tools/report/report_options.h"

#include <boost/program_options.hpp>
#include <sstream>

#include "tools/cli/command_line.h"
#include "tools/cli/option_error.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

constexpr const char* kUsage =
    "report: one HTML page of runs, which needs nothing else: sweeps' folders, run folders, folders of "
    "runs.\n"
    "usage: report [--out FOLDER] [--watch SECONDS] RUN...\n";
constexpr int kLongestWatch = 86400;

}  // namespace

ReportOptions parse_report_options(int argc, const char* const* argv) {
  ReportOptions options;
  po::options_description all("Options", 110);
  all.add_options()("help,h", "print this text")(
      "out,o", po::value(&options.output)->default_value(options.output), "folder for index.html")(
      "watch", po::value(&options.watch_seconds)->default_value(0),
      "write the page again every so many seconds until the runs are done; 0: once");
  po::options_description with_folders;
  with_folders.add(all).add_options()("run", po::value(&options.folders));
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv)
                  .options(with_folders)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .positional(po::positional_options_description().add("run", -1))
                  .run(),
              values);
    if (values.count("help") != 0) {
      std::ostringstream text;
      text << kUsage << "\n" << all;
      throw HelpRequest{text.str()};
    }
    po::notify(values);
  } catch (po::error& error) {
    throw UsageError(message_of(error));
  }
  if (options.folders.empty()) {
    throw UsageError("no folder named; expected report RUN...");
  }
  if (options.watch_seconds < 0 || options.watch_seconds > kLongestWatch) {
    throw UsageError("--watch " + std::to_string(options.watch_seconds) + ": expected 0 to " +
                     std::to_string(kLongestWatch));
  }
  return options;
}

}  // namespace bsq::cli
