#include <iomanip>
#include <iostream>

#include "bsq_train/train_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/training_session.h"

namespace bsq::cli {
namespace {

void print_best(const TrainingRun& run) {
  if (run.best_top1() >= 0) {
    std::cout << "best: top-1 " << std::fixed << std::setprecision(2) << run.best_top1() << " %" << std::endl;
  }
}

int run(const TrainOptions& options) {
  SessionSteps steps;
  steps.program = "bsq_train";
  steps.trainer = options_of(options.training);
  steps.trainer.warmup = options.warmup;
  steps.method = &options.trained_by();
  steps.prepare = [&](Network& network) { begin_method(options.trained_by(), network, options); };
  steps.conclude = [](TrainingRun& run, Model&, Data&, RunFolder&) { print_best(run); };
  return run_training_session(options, steps);
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("bsq_train",
                                [&] { return bsq::cli::run(bsq::cli::parse_train_options(argc, argv)); });
}
