#include "convert/convert_options.h"

#include "tools/cli/command_line.h"
#include "tools/cli/conversion.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

constexpr const char* kConvertUsage =
    "convert: turns a full-precision model into bit representation, every layer at --Nbits bits or at the "
    "width that\n"
    "--layer-bits or another checkpoint gives it; evaluates before and after; writes model_best.h5.\n"
    "usage: convert --model FILE --checkpoint FOLDER [--Nbits N | --dict SCHEME.h5] [options]\n";

}  // namespace

ConvertOptions parse_convert_options(int argc, const char* const* argv) {
  CommandLine line(kConvertUsage);
  line.add(ModelFlags());
  auto add = line.own().add_options();
  add("dict", po::value<std::string>()->default_value(""),
      "take every layer's width from this checkpoint's scheme");
  add("export-pth", po::value<std::string>()->default_value(""),
      "also write the converted model's weights as a PyTorch file, with Nbit_dict");
  line.add(DataFlags());
  line.add(RuntimeFlags());
  line.add_output("checkpoints/convert");
  line.parse(argc, argv);
  ConvertOptions options{line.model(),
                         line.data(),
                         line.runtime(),
                         line.output(),
                         line.values()["dict"].as<std::string>(),
                         line.values()["export-pth"].as<std::string>()};
  if (options.model.model.empty()) {
    throw UsageError("--model FILE is missing");
  }
  if (!options.scheme_file.empty()) {
    refuse_layer_flags(options.model, "cannot go with --dict, which gives every layer its width");
  }
  return options;
}

}  // namespace bsq::cli
