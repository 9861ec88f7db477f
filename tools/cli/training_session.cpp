#include "tools/cli/training_session.h"

#include <iostream>

#include "bsq/nn/network_bits.h"
#include "bsq/train/statistics.h"

namespace bsq::cli {
namespace {

void print_start(Model& model, Data& data) {
  if (network_representation(*model.network) != Representation::kFloat) {
    print_statistics(std::cout, *model.network);
  }
  calibrate_if_needed(*model.network, data, std::cout);
  std::cout << "start: " << text_of(evaluate(*model.network, *data.test)) << std::endl;
}

}  // namespace

int run_training_session(SessionFlags flags, const SessionSteps& steps) {
  const auto device = set_up_runtime(flags.runtime, flags.data.seed);
  const auto& training = flags.training;
  if (training.resume) {
    flags.model.model = flags.output.folder + "/checkpoint.h5";
  }
  const auto file = training.resume ? read_interrupted(flags.model.model) : read_named_model(flags.model);
  auto data = load_data(flags.data, flags.runtime, file);
  auto model = make_model(flags.model, file, data.classes, device);
  if (!training.resume) {
    steps.prepare(*model.network);
  }
  if (training.evaluate) {
    print_start(model, data);
    return 0;
  }
  RunFolder folder(flags.output);
  if (!training.resume) {
    print_start(model, data);
  }
  watch_signals();
  TrainingRun run(model, data, folder, steps.trainer, training);
  if (training.resume) {
    run.resume(*file->training);
  }
  if (!run.train()) {
    return stop_status();
  }
  const auto evaluation = run.finish();
  std::cout << "final: " << text_of(evaluation) << std::endl;
  steps.conclude(run, model, data, folder);
  return 0;
}

}  // namespace bsq::cli
