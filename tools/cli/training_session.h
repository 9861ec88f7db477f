#pragma once

#include <functional>
#include <map>
#include <string>

#include "tools/cli/flags.h"
#include "tools/cli/training_run.h"

namespace bsq::cli {

/// What bsq_train and finetune do differently.
struct SessionSteps {
  std::string program;  ///< for the summary
  TrainerOptions trainer;
  Method* method;
  /// The method's options that are given, and their texts.
  std::map<std::string, std::string> method_options;
  /// Brings a loaded network, not a resumed one, into the method's form.
  std::function<void(Network&)> prepare;
  /// After the evaluation that --evaluate asks for; may be empty.
  std::function<void(Model&, const Evaluation&)> evaluated;
  /// After the final evaluation of a training.
  std::function<void(TrainingRun&, Model&, Data&, RunFolder&)> conclude;
};

/// Loads images and model, evaluates, trains, or takes up the run in the output folder with --resume. Nothing
/// is written before all input is found good. Gives the exit status.
int run_training_session(const SessionFlags& flags, const SessionSteps& steps);

}  // namespace bsq::cli
