#include "finetune/finetune_options.h"

#include "tools/cli/command_line.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

constexpr const char* kFinetuneUsage =
    "finetune: freezes a model's mixed precision and finetunes it, or with --evaluate evaluates it; writes "
    "the best\n"
    "model as bits (best_bin.h5) and as floating point (best_float.h5).\n"
    "usage: finetune --model FILE --checkpoint FOLDER [options]\n";

}  // namespace

FinetuneOptions parse_finetune_options(int argc, const char* const* argv) {
  CommandLine line(kFinetuneUsage);
  line.add(ModelFlags());
  TrainingFlags training;
  training.epochs = 300;
  line.add(training);
  line.own().add_options()("export-pth", po::value<std::string>()->default_value(""),
                           "also write the best model's weights as a PyTorch file, with Nbit_dict");
  line.add(DataFlags());
  line.add(RuntimeFlags());
  line.add_output("checkpoints/finetune");
  line.parse(argc, argv);
  FinetuneOptions options{{line.model(), line.data(), line.runtime(), line.training(), line.output()},
                          line.values()["export-pth"].as<std::string>()};
  if (options.model.model.empty() && !options.training.resume) {
    throw UsageError("--model FILE is missing");
  }
  return options;
}

}  // namespace bsq::cli
