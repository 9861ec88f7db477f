#include <iomanip>
#include <iostream>

#include "bsq/base/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq_train/train_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/training_session.h"
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
  result.warmup = options.warmup;
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
    convert_as_asked(network, options.model);
  } else {
    refuse_layer_flags(options.model, options.model.model + " holds bits; expected a float network");
  }
  if (found == Representation::kFrozen) {
    unfreeze_network(network);
  }
  requantize_network(network, options.max_bits);
  adjust_network(network, /*threshold_percent=*/0);
  set_gradient_mode(network, GradientMode::kWeight);
}

void print_best(const TrainingRun& run) {
  if (run.best_top1() >= 0) {
    std::cout << "best: top-1 " << std::fixed << std::setprecision(2) << run.best_top1() << " %" << std::endl;
  }
}

int run(const TrainOptions& options) {
  SessionSteps steps;
  steps.program = "bsq_train";
  steps.method = options.is_float ? "float" : "bsq";
  steps.keeps_best = options.is_float;
  steps.trainer = trainer_options(options);
  steps.prepare = [&](Network& network) { prepare(network, options); };
  steps.conclude = [](TrainingRun& run, Model&, Data&, RunFolder&) { print_best(run); };
  return run_training_session(options, steps);
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("bsq_train",
                                [&] { return bsq::cli::run(bsq::cli::parse_train_options(argc, argv)); });
}
