#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/sweep/board.h"
#include "tools/sweep/process.h"

namespace bsq::cli {

/// How a sweep uses the machine.
struct RunnerOptions {
  std::string programs;  ///< the folder of bsq_train and finetune
  int64_t jobs = 1;      ///< at once
  int64_t threads = 1;   ///< of each
};

/// Runs the stages of jobs in child processes. What a stage prints goes to PROGRAM.txt and PROGRAM.err in the
/// job's folder. A stage that left a checkpoint behind goes on from it.
class Runner {
 public:
  Runner(const RunnerOptions& options, Board& board) : options_(options), board_(board) {}

  /// Runs every job to its end, or to its failure, which does not keep the others from running. Results are
  /// read as stages end; `on_change` is called after stages have begun or ended. False where a signal came
  /// (stop_status()): all runs have saved their state and ended then.
  bool run(std::vector<Entry>& entries, const std::function<void()>& on_change);

 private:
  struct Running {
    Entry* entry;
    std::unique_ptr<Process> process;
  };
  void start(Entry& entry);
  std::vector<std::string> launch_command(const Stage& stage) const;
  bool collect();
  void take_end(Entry& entry, int status);
  void take_success(Entry& entry);
  void record(Job& job);
  void stop_all();

  RunnerOptions options_;
  Board& board_;
  std::vector<Running> running_;
};

}  // namespace bsq::cli
