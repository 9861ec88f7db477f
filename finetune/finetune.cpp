#include <iostream>

#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "bsq/quant/quantizer.h"
#include "finetune/finetune_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/export.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/training_session.h"

namespace bsq::cli {
namespace {

// best_bin.h5 and best_float.h5: the best epoch's network, with its accuracy on the test set.
void write_best(TrainingRun& run, Model& model, Data& data, RunFolder& folder,
                const FinetuneOptions& options) {
  run.load_best();
  const auto evaluation = evaluate_finite(*model.network, *data.test);
  auto checkpoint = run.current_checkpoint(evaluation.top1());
  checkpoint.network = codes_of_network(*model.network);
  folder.write("best_bin.h5", checkpoint);
  run.keep("best_bin.h5", checkpoint, evaluation);
  if (!options.export_file.empty() && folder.is_writer()) {
    export_model(options.export_file, *model.network, checkpoint, evaluation.top1());
  }
  checkpoint.network = float_state(*model.network);
  checkpoint.method = "float";
  checkpoint.comp = checkpoint.comp_stored = 1;
  folder.write("best_float.h5", checkpoint);
  std::cout << "best: " << text_of(evaluation) << std::endl;
}

// A float file is evaluated as it is, unless a bit width is asked for.
void prepare(Method& method, Network& network, const FinetuneOptions& options) {
  const bool stays_float = options.training.evaluate && !options.training.needs_bits && !options.model.bits &&
                           !options.model.names_layers() && is_float(network);
  if (!stays_float) {
    begin_method(method, network, options);
  }
}

int run(const FinetuneOptions& options) {
  const auto& training = options.training;
  check_output_file({"export-pth",
                     options.export_file,
                     {options.model.model, training.teacher_file()},
                     training.evaluate ? "" : options.output.folder,
                     training.overwrite || training.resume});
  auto& method = *options.method;
  SessionSteps steps;
  steps.program = "finetune";
  steps.trainer = options_of(options.training);
  steps.method = &method;
  steps.prepare = [&](Network& network) { prepare(method, network, options); };
  steps.evaluated = [&](Model& model, const Evaluation& evaluation) {
    if (!options.export_file.empty()) {
      export_model(options.export_file, *model.network, model.origin, evaluation.top1());
    }
  };
  steps.conclude = [&](TrainingRun& run, Model& model, Data& data, RunFolder& folder) {
    write_best(run, model, data, folder, options);
  };
  return run_training_session(options, steps);
}

}  // namespace
}  // namespace bsq::cli

int finetune_main(int argc, char** argv) {
  return bsq::cli::guarded_main("finetune", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_finetune_options(argc, argv)); });
}
