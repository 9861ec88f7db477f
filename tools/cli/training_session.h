#pragma once

#include <functional>

#include "tools/cli/flags.h"
#include "tools/cli/training_run.h"

namespace bsq::cli {

/// What bsq_train and finetune do differently.
struct SessionSteps {
  std::string program, method;  ///< for the summary
  bool keeps_best = false;      ///< whether the best epoch's model is the one to use, not the last one
  TrainerOptions trainer;
  /// Brings a loaded network, not a resumed one, into the representation that is trained.
  std::function<void(Network&)> prepare;
  /// After the final evaluation.
  std::function<void(TrainingRun&, Model&, Data&, RunFolder&)> conclude;
};

/// Loads images and model, evaluates, trains, or takes up the run in the output folder with --resume. Nothing
/// is written before all input is found good. Gives the exit status.
int run_training_session(SessionFlags flags, const SessionSteps& steps);

}  // namespace bsq::cli
