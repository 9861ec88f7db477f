#include "tools/sweep/slurm/submitted_jobs.h"

#include <nlohmann/json.hpp>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/text_file.h"

namespace bsq::cli {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = size_t{16} << 20;

bool is_job_number(const std::string& text) {
  return text.find_first_not_of("0123456789") == std::string::npos;
}

SubmittedJob job_of(const json& entry) {
  SubmittedJob job;
  job.name = entry.at("name").get<std::string>();
  job.number = entry.at("number").get<std::string>();
  job.points = entry.at("points").get<std::vector<std::string>>();
  return job;
}

}  // namespace

std::string submitted_jobs_file(const std::string& folder) { return folder + "/slurm.json"; }

std::vector<SubmittedJob> read_submitted_jobs(const std::string& folder) {
  const auto path = submitted_jobs_file(folder);
  std::vector<SubmittedJob> jobs;
  if (!is_there(path)) {
    return jobs;
  }
  try {
    const auto found = json::parse(read_text_file(path, kMostBytes, "the jobs of a sweep"));
    for (const auto& entry : found.at("jobs")) {
      jobs.push_back(job_of(entry));
      if (jobs.back().name.empty() || !is_job_number(jobs.back().number)) {
        throw Error(path + ": a job without name or number; expected the jobs of a sweep");
      }
    }
  } catch (const json::exception&) {
    throw Error(path + ": is not what a sweep writes; expected the jobs of a sweep, or no such file");
  }
  return jobs;
}

void write_submitted_jobs(const std::string& folder, const std::vector<SubmittedJob>& jobs) {
  auto entries = json::array();
  for (const auto& job : jobs) {
    entries.push_back({{"name", job.name}, {"number", job.number}, {"points", job.points}});
  }
  write_bytes_atomically(submitted_jobs_file(folder), {json{{"jobs", entries}}.dump(2) + "\n"});
}

}  // namespace bsq::cli
