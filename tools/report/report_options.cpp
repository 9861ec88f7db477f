#include "tools/report/report_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kReportUsage =
    "report: one HTML page of runs, which needs nothing else: sweeps' folders, run folders, folders of "
    "runs.\n"
    "usage: report [--out FOLDER] [--latency] [--watch SECONDS] RUN...\n";
constexpr int kLongestWatch = 86400;

}  // namespace

CommandLine report_command_line() { return CommandLine("report", kReportUsage); }

void add_options(CommandLine& line, ReportOptions& options) {
  auto& table = line.table();
  line.add_operands("FOLDER", &options.folders);
  table.section("Report");
  table.add("out", &options.output, "folder for index.html")
      .letter('o')
      .value_name("FOLDER")
      .resume(ResumeRule::kCall);
  table.add("overwrite", &options.overwrite, "replace an index.html that no report wrote")
      .resume(ResumeRule::kCall);
  table
      .add("latency", &options.latency,
           "measure the latency of one image of every model in the integer engine, on one thread")
      .resume(ResumeRule::kCall);
  table
      .add("watch", &options.watch_seconds,
           "write the page again every so many seconds until the runs are done; 0: once")
      .value_name("SECONDS")
      .range(0, kLongestWatch)
      .resume(ResumeRule::kCall);
}

ReportOptions parse_report_options(int argc, const char* const* argv) {
  ReportOptions options;
  auto line = report_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  if (options.folders.empty()) {
    throw UsageError("no folder named; expected report RUN...");
  }
  return options;
}

}  // namespace bsq::cli
