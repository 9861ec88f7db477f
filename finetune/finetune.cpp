#include <iostream>

#include "bsq/base/error.h"
#include "bsq/nn/network_bits.h"
#include "finetune/finetune_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/export.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/training_session.h"

namespace bsq::cli {
namespace {

// Freezes a loaded network at the values that it computes with: planes in mid-training are made binary
// without growth. For training, planes that no weight needs are dropped too; evaluation takes the file as it
// is, to the last bit.
void freeze(Network& network, const FinetuneOptions& options) {
  const auto found = network_representation(network);
  if (found != Representation::kFloat) {
    refuse_layer_flags(options.model, options.model.model + " holds bits; expected a float network");
  }
  if (found == Representation::kFrozen) {
    return;
  }
  if (found == Representation::kFloat) {
    if (options.training.needs_bits) {
      throw Error(options.model.model + ": a float network; expected one in bits, as --bin says");
    }
    convert_as_asked(network, options.model);
  }
  requantize_network(network, /*max_bits=*/kMinBits);
  if (!options.training.evaluate) {
    adjust_network(network, /*threshold_percent=*/0);
  }
  freeze_network(network);
}

// best_bin.h5 and best_float.h5: the best epoch's network, with its accuracy on the test set.
void write_best(TrainingRun& run, Model& model, Data& data, RunFolder& folder,
                const FinetuneOptions& options) {
  run.load_best();
  const auto evaluation = evaluate(*model.network, *data.test);
  auto checkpoint = run.current_checkpoint(evaluation.top1());
  checkpoint.network = binary_state(*model.network);
  checkpoint.kind = CheckpointKind::kBits;
  folder.write("best_bin.h5", checkpoint);
  run.keep("best_bin.h5", checkpoint, evaluation);
  checkpoint.network = float_state(*model.network);
  checkpoint.kind = CheckpointKind::kFloat;
  checkpoint.comp = checkpoint.comp_stored = 1;
  folder.write("best_float.h5", checkpoint);
  if (!options.export_file.empty()) {
    export_float_model(options.export_file, *model.network, evaluation.top1());
  }
  std::cout << "best: " << text_of(evaluation) << std::endl;
}

// A float file is evaluated as it is, unless a width is asked for.
void prepare(Network& network, const FinetuneOptions& options) {
  const bool stays_float = options.training.evaluate && !options.training.needs_bits &&
                           !options.model.names_bits && !options.model.names_layers() &&
                           network_representation(network) == Representation::kFloat;
  if (!stays_float) {
    freeze(network, options);
  }
}

int run(const FinetuneOptions& options) {
  check_export_path(options.export_file);
  SessionSteps steps;
  steps.program = "finetune";
  steps.method = "frozen";
  steps.trainer = options_of(options.training, TrainingMethod::kFinetune);
  steps.prepare = [&](Network& network) { prepare(network, options); };
  steps.conclude = [&](TrainingRun& run, Model& model, Data& data, RunFolder& folder) {
    write_best(run, model, data, folder, options);
  };
  return run_training_session(options, steps);
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("finetune",
                                [&] { return bsq::cli::run(bsq::cli::parse_finetune_options(argc, argv)); });
}
