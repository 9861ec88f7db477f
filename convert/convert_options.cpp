#include "convert/convert_options.h"

#include "tools/cli/architecture_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kConvertUsage =
    "convert: turns a full-precision model into bit representation, every layer at --bits bits or at the bit "
    "width\n"
    "that --layer-bits or another checkpoint gives it. With --fuse it keeps the bits of a model and puts "
    "batch\n"
    "norms into scales and biases. It evaluates before and after, and writes model_best.h5.\n"
    "usage: convert --model FILE --out FOLDER [--bits N | --dict SCHEME.h5 | --fuse] [options]\n";

}  // namespace

CommandLine convert_command_line() { return CommandLine("convert", kConvertUsage); }

void add_options(CommandLine& line, ConvertOptions& options) {
  auto& table = line.table();
  line.add_config();
  add_options(table, options.model);
  table.add("dict", &options.scheme_file, "take the bit width of every layer from this checkpoint's scheme")
      .value_name("MODEL")
      .resume(ResumeRule::kFixed);
  table
      .add(
          "fuse", &options.fuse,
          "keep the bits of a model that has them, and put its batch norms into a scale a channel and a bias")
      .resume(ResumeRule::kFixed);
  add_options(table, options.data);
  add_options(table, options.runtime);
  add_options(table, options.output);
  add_export_option(table, options.export_file);
  table.add("overwrite", &options.overwrite, "write over the models of an earlier conversion or export")
      .resume(ResumeRule::kCall);
  for (const char* name : {"bits", "dict", "layer-bits", "keep-float"}) {
    table.find(name)->needs(
        [&] { return options.fuse ? "cannot go with --fuse, which keeps the bits of the model" : ""; });
  }
  for (const char* name : {"layer-bits", "keep-float"}) {
    table.find(name)->needs([&] {
      return options.scheme_file.empty() ? ""
                                         : "cannot go with --dict, which gives every layer its bit width";
    });
  }
  line.add_family(architecture_family(options.model));
}

ConvertOptions parse_convert_options(int argc, const char* const* argv) {
  ConvertOptions options;
  auto line = convert_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  options.output.configuration = line.configuration();
  take_architecture_options(line.table(), options.model);
  if (options.model.model.empty()) {
    throw UsageError("--model FILE is missing");
  }
  return options;
}

}  // namespace bsq::cli
