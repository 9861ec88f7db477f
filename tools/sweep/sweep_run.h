#pragma once

#include <string>
#include <vector>

#include "tools/sweep/board.h"
#include "tools/sweep/earlier_points.h"
#include "tools/sweep/plan.h"
#include "tools/sweep/runner.h"
#include "tools/sweep/sweep_options.h"

namespace bsq::cli {

/// One sweep from its options to results.csv and results.json in its folder.
class SweepRun {
 public:
  /// `command` is the command line, for the record.
  SweepRun(const SweepOptions& options, const std::vector<std::string>& command);

  /// Runs it, or goes on with it; with Slurm submits it, or collects what is done. Gives the exit status: 1
  /// where a point failed, a search did not land, or the results could not be written in the end.
  int run();

 private:
  std::vector<Job> checked_jobs();
  bool work();
  bool work_by_slurm();
  bool train_float();
  bool run_search();
  bool run_snapshots();
  bool run_entries(std::vector<Entry>& entries);
  void add(Job job);
  void take_up(Entry& entry);
  std::vector<Entry> all_points() const;
  void write_results(const std::string& status);
  int conclude();
  int conclude_submission();
  void print_results() const;

  SweepOptions options_;
  Plan plan_;
  std::vector<std::string> command_;
  Board board_;
  Runner runner_;
  std::vector<Entry> float_;    ///< the float training, where there is one
  std::vector<Entry> entries_;  ///< the points
  EarlierResults earlier_;      ///< those of earlier commands
  std::string verdict_;         ///< why a search did not land; "": it did, or there was none
  std::string unwritten_;       ///< why the last results are not on disk; "": they are
};

}  // namespace bsq::cli
