#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/sweep/job.h"

namespace bsq::cli {

/// What the tasks of an array are to know beside their jobs.
struct ScriptOptions {
  std::string programs;  ///< the folder of bsq_train and finetune
  std::string folder;    ///< where paths of commands begin
  int64_t threads = 0;   ///< of each run; 0: the cores that Slurm gives a task
};

/// The script for bash of a job array whose task i runs the stages of jobs[i] that are not finished, one
/// after the other. A stage that left a checkpoint behind goes on from it. Beside what a stage prints the
/// script writes its exit status (status_file). SIGUSR2 and SIGTERM reach the run; one that saved its state
/// and ended with 140 or 143 puts its task, and no other, back into the queue.
std::string array_script(const std::vector<Job>& jobs, const ScriptOptions& options);

/// Where a script writes the exit status of a stage that has ended: FOLDER/RUN.status.
std::string status_file(const Job& job, const Stage& stage);

}  // namespace bsq::cli
