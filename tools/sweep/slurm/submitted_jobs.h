#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// A job array that a sweep has handed to Slurm.
struct SubmittedJob {
  std::string name;                 ///< no other job has it
  std::string number;               ///< Slurm's; "": sbatch has not answered yet
  std::vector<std::string> points;  ///< of its tasks, from task 0 on
};

/// The file of a sweep's folder that holds them: FOLDER/slurm.json.
std::string submitted_jobs_file(const std::string& folder);
/// Those whose end no sweep has seen. None where there is no file. Throws bsq::Error for a file of another
/// making.
std::vector<SubmittedJob> read_submitted_jobs(const std::string& folder);
/// Replaces the file as a whole. Throws bsq::Error.
void write_submitted_jobs(const std::string& folder, const std::vector<SubmittedJob>& jobs);

}  // namespace bsq::cli
