#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bsq::cli {

/// A task of a job array: "17_2".
std::string task_name(const std::string& job, size_t index);

/// What Slurm's commands print, read. Throw bsq::Error for what is none of it.
/// `sbatch --parsable`: the job's number, "17" of "17;cluster".
std::string job_number(const std::string& printed);
/// `squeue` or `sacct` with lines "17_2|STATE": task to state. Lines of other forms (steps, parts of an array
/// that wait) are passed over.
std::map<std::string, std::string> task_states(const std::string& printed);

/// Slurm's queue, asked by its own commands.
class SlurmQueue {
 public:
  /// Throws bsq::Error where sbatch is not there.
  static void check();

  /// Hands a script over with these options of sbatch. Gives the number of the job. Throws bsq::Error with
  /// what sbatch says.
  static std::string submit(const std::vector<std::string>& options, const std::string& script);

  /// The tasks of these jobs that run, wait or end just now: task to state and reason ("PENDING
  /// (Resources)"). One that waits for a job that failed is none of them: it never runs. Throws bsq::Error
  /// where the queue does not answer.
  static std::map<std::string, std::string> waiting_or_running(const std::vector<std::string>& jobs);
  /// The number of the job of this name, while it runs or waits.
  static std::optional<std::string> job_named(const std::string& name);
  /// How tasks of these jobs ended, as far as sacct knows; nothing where there is no accounting.
  static std::map<std::string, std::string> ended(const std::vector<std::string>& jobs);
};

}  // namespace bsq::cli
