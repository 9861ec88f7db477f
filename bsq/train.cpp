#include <iomanip>
#include <iostream>

#include "bsq/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq/train/statistics.h"
#include "bsq/train_options.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/session.h"
#include "tools/cli/training_run.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

TrainerOptions trainer_options(const TrainOptions& options) {
  auto result =
      options_of(options.training, options.is_float ? TrainingMethod::kFloat : TrainingMethod::kBits);
  result.penalty = options.penalty;
  result.adjustment_interval = options.adjustment_interval;
  result.threshold = options.threshold;
  result.max_bits = options.max_bits;
  return result;
}

// Brings a loaded network into the representation that the run trains; planes are made binary and as few as
// needed.
void prepare(Network& network, const TrainOptions& options) {
  const auto found = network_representation(network);
  if (options.is_float) {
    if (found != Representation::kFloat) {
      throw Error(options.model.model + ": holds bits; expected a float network for --float");
    }
    return;
  }
  if (found == Representation::kFloat) {
    if (options.training.needs_bits) {
      throw Error(options.model.model + ": a float network; expected one in bits, as --bin says");
    }
    convert_to_bits(network, options.model.bits);
  } else if (found == Representation::kFrozen) {
    unfreeze_network(network);
  }
  requantize_network(network, options.max_bits);
  adjust_network(network, /*threshold_percent=*/0);
  set_gradient_mode(network, GradientMode::kWeight);
}

void print_start(Model& model, Data& data) {
  if (network_representation(*model.network) != Representation::kFloat) {
    print_statistics(std::cout, *model.network);
  }
  calibrate_if_needed(*model.network, data, std::cout);
  std::cout << "start: " << text_of(evaluate(*model.network, *data.test)) << std::endl;
}

int train(Model& model, Data& data, RunFolder& folder, const TrainOptions& options,
          const std::optional<TrainingState>& resumed) {
  watch_signals();
  TrainingRun run(model, data, folder, trainer_options(options), options.training.start_epoch);
  if (resumed) {
    run.resume(*resumed);
  }
  if (!run.train()) {
    return stop_status();
  }
  const auto evaluation = run.finish();
  std::cout << "final: " << text_of(evaluation) << "\n";
  if (run.best_top1() >= 0) {
    std::cout << "best: top-1 " << std::fixed << std::setprecision(2) << run.best_top1() << " %\n";
  }
  std::cout << std::flush;
  return 0;
}

int run(TrainOptions options) {
  const auto device = set_up_runtime(options.runtime, options.data.seed);
  if (options.training.resume) {
    options.model.model = options.output.folder + "/checkpoint.h5";
  }
  const auto file =
      options.training.resume ? read_interrupted(options.model.model) : read_named_model(options.model);
  auto data = load_data(options.data, file);
  auto model = make_model(options.model, file, data.classes, device);
  if (options.training.resume) {
    RunFolder folder(options.output);
    set_gradient_mode(*model.network, GradientMode::kWeight);
    return train(model, data, folder, options, file->training);
  }
  prepare(*model.network, options);
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
  return bsq::cli::guarded_main("bsq_train",
                                [&] { return bsq::cli::run(bsq::cli::parse_train_options(argc, argv)); });
}
