#pragma once

#include <string>

#include "bsq/io/run_summary.h"
#include "bsq/train/evaluation.h"
#include "tools/cli/flags.h"
#include "tools/cli/run_folder.h"

namespace bsq::cli {

/// A summary of what a program knows before it begins: itself, the machine, the model file that it starts
/// from.
RunSummary summary_at_start(const std::string& program, const std::string& method, const std::string& model,
                            const RuntimeFlags& runtime);

/// Keeps the summary of a run and writes it into the run's folder (bsq/io/run_summary.h).
class SummaryWriter {
 public:
  /// With `keeps_best` the model to use is that of the best epoch, otherwise the last one.
  SummaryWriter(const RunFolder& folder, RunSummary summary, bool keeps_best)
      : folder_(folder), summary_(std::move(summary)), keeps_best_(keeps_best) {}

  void set_validation_split(const std::string& split) { split_ = split; }
  /// The network before training, on the test images.
  void take_start(const Evaluation& evaluation);
  /// A run that goes on: its start stands in the folder's summary, where that can be read.
  void take_up();
  /// What checkpoint.h5 is to hold at this state and model_best.h5 (nullptr: there is none).
  void take_state(const TrainingState& state, const Checkpoint& current, const Checkpoint* best);
  /// After training: what checkpoint.h5 holds, on the test images.
  void take_final(const Checkpoint& model, const Evaluation& evaluation);
  /// Another file is the one to use, on the test images.
  void keep(const std::string& file, const Checkpoint& model, const Evaluation& evaluation);
  /// Writes it as a whole or not at all. Throws bsq::Error.
  void write(RunStatus status);

 private:
  const RunFolder& folder_;
  RunSummary summary_;
  bool keeps_best_;
  std::string split_ = "test";  ///< on which the best epoch is picked
};

}  // namespace bsq::cli
