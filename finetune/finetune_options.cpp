#include "finetune/finetune_options.h"

#include "bsq/methods/methods.h"
#include "bsq/quant/quantizer.h"
#include "tools/cli/architecture_options.h"

namespace bsq::cli {
namespace {

constexpr const char* kFinetuneUsage =
    "finetune: freezes a model's mixed precision and finetunes it, or with --evaluate evaluates it; writes "
    "the best\n"
    "model as bits (best_bin.h5) and as floating point (best_float.h5).\n"
    "usage: finetune --model FILE --out FOLDER [options]\n"
    "       finetune --model FILE --evaluate [options]\n";

}  // namespace

FinetuneOptions::FinetuneOptions() : method(make_method(GridQuantizer::kKind)) {
  training.epochs = 300;
  training.schedule_parts = {1.0 / 2, 3.0 / 4};  // 150 and 225, as published
  output.folder = "checkpoints/finetune";
}

CommandLine finetune_command_line() { return CommandLine("finetune", kFinetuneUsage); }

void add_options(CommandLine& line, FinetuneOptions& options) {
  line.add_config();
  add_options(line.table(), static_cast<SessionFlags&>(options));
  line.table().section("Method");
  options.method->add_options(line.table());
  line.table().find("step-rule")->needs(needs_training(options.training));
  add_export_option(line.table(), options.export_file);
  line.table().find("overwrite")->needs([&] {
    return options.export_file.empty() ? needs_training(options.training)() : std::string();
  });
  line.add_family(architecture_family(options.model));
}

FinetuneOptions parse_finetune_options(int argc, const char* const* argv) {
  FinetuneOptions options;
  auto line = finetune_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  take_older_rule(line.table(), options.training);
  options.training.take_default_schedule(line.table());
  options.output.configuration = line.configuration();
  take_architecture_options(line.table(), options.model);
  options.model.bits_by_call = line.table().find("bits")->source() == OptionSource::kCall;
  if (options.model.model.empty() && !options.training.resume) {
    throw UsageError("--model FILE is missing");
  }
  return options;
}

}  // namespace bsq::cli
