#include <iostream>

#include "bsq/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq/train/statistics.h"
#include "finetune/finetune_options.h"
#include "tools/cli/export.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/session.h"
#include "tools/cli/training_run.h"

namespace bsq::cli {
namespace {

// Freezes a loaded network at the values that it computes with: planes in mid-training are made binary without growth.
// For training, planes that no weight needs are dropped too; evaluation takes the file as it is, to the last bit.
void freeze(Network& network, const FinetuneOptions& options) {
  const auto found = network_representation(network);
  if (found == Representation::kFrozen) {
    return;
  }
  if (found == Representation::kFloat) {
    if (options.training.needs_bits) {
      throw Error(options.model.model + ": a float network; expected one in bits, as --bin says");
    }
    convert_to_bits(network, options.model.bits);
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
  checkpoint.network = float_state(*model.network);
  checkpoint.kind = CheckpointKind::kFloat;
  checkpoint.comp = checkpoint.comp_stored = 1;
  folder.write("best_float.h5", checkpoint);
  if (!options.export_file.empty()) {
    export_float_model(options.export_file, *model.network, evaluation.top1());
  }
  std::cout << "best: " << text_of(evaluation) << std::endl;
}

int train(Model& model, Data& data, RunFolder& folder, const FinetuneOptions& options,
          const std::optional<TrainingState>& resumed) {
  watch_signals();
  TrainingRun run(model, data, folder, options_of(options.training, TrainingMethod::kFinetune),
                  options.training.start_epoch);
  if (resumed) {
    run.resume(*resumed);
  }
  if (!run.train()) {
    return stop_status();
  }
  const auto evaluation = run.finish();
  std::cout << "final: " << text_of(evaluation) << std::endl;
  write_best(run, model, data, folder, options);
  return 0;
}

void print_start(Model& model, Data& data) {
  if (network_representation(*model.network) != Representation::kFloat) {
    print_statistics(std::cout, *model.network);
  }
  calibrate_if_needed(*model.network, data, std::cout);
  std::cout << "start: " << text_of(evaluate(*model.network, *data.test)) << std::endl;
}

int run(FinetuneOptions options) {
  const auto device = set_up_runtime(options.runtime, options.data.seed);
  check_export_path(options.export_file);
  if (options.training.resume) {
    options.model.model = options.output.folder + "/checkpoint.h5";
  }
  const auto file =
      options.training.resume ? read_interrupted(options.model.model) : read_named_model(options.model);
  auto data = load_data(options.data, file);
  auto model = make_model(options.model, file, data.classes, device);
  if (options.training.resume) {
    RunFolder folder(options.output);
    return train(model, data, folder, options, file->training);
  }
  // A float file is evaluated as it is, unless a width is asked for.
  const bool stays_float = options.training.evaluate && !options.training.needs_bits &&
                           !options.model.names_bits &&
                           network_representation(*model.network) == Representation::kFloat;
  if (!stays_float) {
    freeze(*model.network, options);
  }
  if (options.training.evaluate) {
    print_start(model, data);
    return 0;
  }
  RunFolder folder(options.output);
  print_start(model, data);
  return train(model, data, folder, options, std::nullopt);
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("finetune",
                                [&] { return bsq::cli::run(bsq::cli::parse_finetune_options(argc, argv)); });
}
