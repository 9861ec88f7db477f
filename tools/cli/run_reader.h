#pragma once

#include <optional>
#include <string>

#include "bsq/io/run_summary.h"

namespace bsq::cli {

/// A run folder of a version that wrote no summary, or whose checkpoint.h5 is damaged: all that its
/// checkpoints tell.
struct DerivedRun {
  RunSummary summary;
  Checkpoint model;                    ///< the one to use
  std::optional<TrainingState> state;  ///< of the last checkpoint
  std::string note;                    ///< why it is checkpoint.prev.h5; "" where it is not
};

/// The text of a run's config.cfg; nothing where there is no such file. Throws bsq::Error.
std::optional<std::string> run_configuration(const std::string& folder);

/// Whether a folder holds a run's files.
bool is_run_folder(const std::string& folder);

/// Reads a folder's summary.json. A run that says it goes on but whose folder no process holds was killed: it
/// is given as stopped. Throws bsq::Error.
RunSummary read_run_summary(const std::string& folder);

/// The model to use is best_bin.h5, of a float run model_best.h5, else checkpoint.h5. Throws bsq::Error for
/// broken files.
DerivedRun derive_run(const std::string& folder);

/// The summary of a run of any version.
RunSummary summary_of_run(const std::string& folder);

}  // namespace bsq::cli
