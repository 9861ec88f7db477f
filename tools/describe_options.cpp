#include "tools/describe_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kDescribeUsage =
    "describe: what is in a model file, ours or PyTorch's.\nusage: describe [--json | --brief] FILE...\n";

}  // namespace

CommandLine describe_command_line() { return CommandLine("describe", kDescribeUsage); }

void add_options(CommandLine& line, DescribeOptions& options) {
  auto& table = line.table();
  line.add_operands("MODEL", &options.files);
  table.section("Form");
  table.add("json", &options.is_json, "as JSON").resume(ResumeRule::kCall);
  table.add("brief", &options.is_brief, "one line a file")
      .needs([&] { return options.is_json ? "cannot go with --json" : ""; })
      .resume(ResumeRule::kCall);
}

DescribeOptions parse_describe_options(int argc, const char* const* argv) {
  DescribeOptions options;
  auto line = describe_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  if (options.files.empty()) {
    throw UsageError("no file named; expected describe FILE...");
  }
  return options;
}

}  // namespace bsq::cli
