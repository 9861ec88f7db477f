#include "tools/describe_options.h"

#include "models/registry.h"
#include "tools/cli/architecture_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kDescribeUsage =
    "describe: what is in a model file, ours or PyTorch's, or what a network is made of.\n"
    "usage: describe [--json | --brief] [--latency] FILE...\n"
    "       describe [--json | --brief] -a NAME [options of that architecture]\n";

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
  table.section("Measurement");
  table
      .add("latency", &options.latency,
           "measure the latency of one image in the integer engine, on one thread")
      .needs([&] { return options.network.arch ? "cannot go with -a NAME" : ""; })
      .resume(ResumeRule::kCall);
  table.section("Without a file");
  table.add("arch", &options.network.arch, "architecture whose layers, parameters and MACs are listed")
      .letter('a')
      .one_of(architectures())
      .value_name("NAME")
      .resume(ResumeRule::kCall);
  table.add("classes", &options.classes, "classes of that network")
      .range(2, 100000)
      .needs([&] { return options.network.arch ? "" : "needs -a NAME"; })
      .resume(ResumeRule::kCall);
  table.add("image-size", &options.image_size, "pixels a side of the images that it takes")
      .range(1, 4096)
      .needs([&] { return options.network.arch ? "" : "needs -a NAME"; })
      .resume(ResumeRule::kCall);
  // Nothing of this call is stored.
  auto family = architecture_family(options.network);
  family.add = [add = family.add](OptionTable& target, const std::string& name) {
    const size_t first = target.options().size();
    add(target, name);
    for (size_t i = first; i < target.options().size(); ++i) {
      target.options()[i].resume(ResumeRule::kCall);
    }
  };
  line.add_family(family);
}

NetworkDescription DescribeOptions::description() const {
  NetworkDescription description;
  description.architecture = network.arch.value_or(description.architecture);
  description.options = network.network;
  description.classes = classes;
  description.image_height = description.image_width = image_size;
  return description;
}

DescribeOptions parse_describe_options(int argc, const char* const* argv) {
  DescribeOptions options;
  auto line = describe_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  take_architecture_options(line.table(), options.network);
  if (options.network.arch) {
    if (!options.files.empty()) {
      throw UsageError("-a " + *options.network.arch + ": cannot go with " + options.files.front());
    }
    return options;
  }
  if (!options.network.network.empty()) {
    throw UsageError("--" + options.network.network.begin()->first + ": needs -a NAME");
  }
  if (options.files.empty()) {
    throw UsageError("no file named; expected describe FILE... or describe -a NAME");
  }
  return options;
}

}  // namespace bsq::cli
