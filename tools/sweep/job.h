#pragma once

#include <string>
#include <vector>

#include "tools/sweep/grid.h"
#include "tools/sweep/settings.h"

namespace bsq::cli {

/// One run of bsq_train or finetune.
struct Stage {
  std::string program;
  std::string folder;  ///< its run folder
  Settings settings;   ///< its flags, all but --checkpoint and how the machine is used

  /// The command that makes this run, the program's name first.
  std::vector<std::string> command() const;
};

/// A point of a sweep: runs that follow each other, and how far they are.
struct Job {
  std::string name;
  std::string folder;
  PointValues values;
  std::vector<Stage> stages;
  size_t finished = 0;  ///< stages that are done
  std::string error;    ///< why the stage after those failed; "": it did not
  bool is_running = false;
  bool is_earlier = false;  ///< of an earlier command; this sweep does not run it

  bool is_done() const { return finished == stages.size(); }
};

/// "waiting", "bsq_train", "finetune" (running), "trained" (bsq_train alone was wanted), "done", "failed" or,
/// of an earlier command, "stopped".
std::string state_of(const Job& job);

/// Takes up how far an earlier sweep came from point.json in the job's folder; a failed stage is to be tried
/// again. Throws bsq::Error where that folder's runs were made by other commands.
void load_progress(Job& job);
/// An earlier command's point as FOLDER/NAME/point.json tells it, without its values. Throws bsq::Error.
Job load_job(const std::string& folder, const std::string& name);
/// Writes point.json, and makes the folder.
void save_progress(const Job& job);

/// Epochs that the running stage has finished and those that it is to have, from its summary; 0 of 0 before
/// there is one.
struct EpochCount {
  int64_t done = 0, all = 0;
};
EpochCount epochs_of(const Job& job);

}  // namespace bsq::cli
