#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/sweep/board.h"
#include "tools/sweep/slurm/submitted_jobs.h"

namespace bsq::cli {

/// How a sweep uses the queue.
struct SlurmOptions {
  std::string folder;               ///< of the sweep
  std::string programs;             ///< the folder of bsq_train and finetune
  std::vector<std::string> sbatch;  ///< more options of sbatch
  int64_t jobs = 0;                 ///< tasks at once; 0: what the queue lets run
  int64_t threads = 0;              ///< of each run; 0: the cores that Slurm gives a task
};

/// The options of sbatch for an array of `count` tasks, those of the user last, so that they win. `after`:
/// the job that has to succeed before; "": none.
std::vector<std::string> sbatch_command_options(const SlurmOptions& options, const std::string& name,
                                                size_t count, const std::string& after);

/// Has points made by Slurm's queue, and takes up what its tasks have left. Waits for none of them.
class SlurmLauncher {
 public:
  SlurmLauncher(SlurmOptions options, Board& board) : options_(std::move(options)), board_(board) {}

  /// Takes up every entry: stages that have ended well count, the others' errors say why they failed, and
  /// what the queue holds is running or waits. To be called once, with all of them. Throws bsq::Error where
  /// the queue does not answer.
  void collect(const std::vector<Entry*>& entries);

  /// Submits an array of those that are neither done nor in the queue, and says so on stdout; none where
  /// there are none. It runs after the entry `after` has succeeded where that is not done (null: there is
  /// none). `what` names its script, FOLDER/slurm-WHAT.sh. Throws bsq::Error.
  void submit(const std::string& what, const std::vector<Entry*>& entries, const Entry* after);

 private:
  void take_up(Entry& entry);
  void take_stages(Job& job);
  void forget_ended();
  void tell_queue() const;
  std::string task_of(const Job& job) const;
  std::string job_of(const Job& job) const;
  bool is_in_queue(const Job& job) const;

  SlurmOptions options_;
  Board& board_;
  std::vector<SubmittedJob> submitted_;
  std::map<std::string, std::string> queued_, ended_;  ///< task to state
};

/// Throws bsq::Error where tasks that a sweep submitted for this folder still run or wait, or where that
/// cannot be asked.
void check_no_jobs(const std::string& folder);

}  // namespace bsq::cli
