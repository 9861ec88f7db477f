#include "tools/sweep/slurm/launcher.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <optional>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/text_file.h"
#include "tools/sweep/slurm/queue.h"
#include "tools/sweep/slurm/script.h"
#include "tools/sweep/stage_output.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

// Seconds before the time limit at which a run is told to save: steps of large networks take long.
constexpr const char* kWarning = "--signal=B:USR2@120";
constexpr size_t kMostStatusBytes = 16;

// The exit status of a stage that a task has run to its end; nothing before that.
std::optional<int> exit_status_of(const Job& job, const Stage& stage) {
  const auto path = status_file(job, stage);
  if (!is_there(path)) {
    return std::nullopt;
  }
  const auto text = read_text_file(path, kMostStatusBytes, "an exit status");
  const auto digits = text.substr(0, text.find('\n'));
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) {
    throw Error(path + ": is no exit status; expected a number");
  }
  return std::stoi(digits);
}

// Whether a run ended because it was told to, with its state saved.
bool has_saved_state(int status) { return status == 128 + SIGUSR2 || status == 128 + SIGTERM; }

// Letters that squeue's lists and sbatch's patterns leave as they are.
std::string new_name(const std::string& folder) {
  auto name = fs::absolute(folder).lexically_normal().filename().string();
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ? c : '_';
  }
  static int count = 0;
  return "sweep-" + name + "-" + std::to_string(std::time(nullptr)) + "-" + std::to_string(getpid()) + "-" +
         std::to_string(++count);
}

// A sweep that was killed after sbatch had taken its job does not know the number.
void find_numbers(std::vector<SubmittedJob>& jobs) {
  for (auto& job : jobs) {
    if (job.number.empty()) {
      job.number = SlurmQueue::job_named(job.name).value_or("");
    }
  }
  jobs.erase(
      std::remove_if(jobs.begin(), jobs.end(), [](const SubmittedJob& job) { return job.number.empty(); }),
      jobs.end());
}

std::vector<std::string> numbers_of(const std::vector<SubmittedJob>& jobs) {
  std::vector<std::string> numbers;
  for (const auto& job : jobs) {
    numbers.push_back(job.number);
  }
  return numbers;
}

// What a task finds: no status of an earlier one.
void prepare(const Job& job) {
  save_progress(job);
  for (size_t i = job.finished; i < job.stages.size(); ++i) {
    fs::remove(status_file(job, job.stages[i]));
  }
}

bool is_running_state(const std::string& state) { return state.find("PENDING") != 0; }

}  // namespace

std::vector<std::string> sbatch_command_options(const SlurmOptions& options, const std::string& name,
                                                size_t count, const std::string& after) {
  auto array = "--array=0-" + std::to_string(count - 1);
  if (options.jobs > 0) {
    array += "%" + std::to_string(options.jobs);
  }
  std::vector<std::string> words = {"--job-name=" + name, array,    "--requeue",
                                    "--open-mode=append", kWarning, "--output=/dev/null",
                                    "--error=/dev/null"};
  if (options.threads > 0) {
    words.push_back("--cpus-per-task=" + std::to_string(options.threads));
  }
  if (!after.empty()) {
    words.insert(words.end(), {"--dependency=afterok:" + after, "--kill-on-invalid-dep=yes"});
  }
  words.insert(words.end(), options.sbatch.begin(), options.sbatch.end());
  return words;
}

// The task that makes a point, or made it last; "": none.
std::string SlurmLauncher::task_of(const Job& job) const {
  std::string task;
  for (const auto& submitted : submitted_) {
    for (size_t i = 0; i < submitted.points.size(); ++i) {
      const auto own = task_name(submitted.number, i);
      if (submitted.points[i] == job.name && (task.empty() || queued_.count(own) != 0)) {
        task = own;
      }
    }
  }
  return task;
}

std::string SlurmLauncher::job_of(const Job& job) const {
  const auto task = task_of(job);
  return task.substr(0, task.find('_'));
}

bool SlurmLauncher::is_in_queue(const Job& job) const { return queued_.count(task_of(job)) != 0; }

// The queue is asked before the folders are read: what has left it by then has written all.
void SlurmLauncher::collect(const std::vector<Entry*>& entries) {
  submitted_ = read_submitted_jobs(options_.folder);
  find_numbers(submitted_);
  queued_ = SlurmQueue::waiting_or_running(numbers_of(submitted_));
  ended_ = SlurmQueue::ended(numbers_of(submitted_));
  for (auto* entry : entries) {
    take_up(*entry);
  }
  forget_ended();
  tell_queue();
}

void SlurmLauncher::tell_queue() const {
  std::map<std::string, size_t> counts;
  for (const auto& [task, state] : queued_) {
    ++counts[state.substr(0, state.find(" (None)"))];
  }
  std::string text;
  for (const auto& [state, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
  }
  if (!text.empty()) {
    board_.warn("tasks in the queue: " + text);
  }
}

void SlurmLauncher::take_up(Entry& entry) {
  auto& job = entry.job;
  const auto before = job.finished;
  try {
    take_stages(job);
    entry.result = read_result(job);
    if (job.finished != before) {
      save_progress(job);
    }
  } catch (const std::exception& error) {
    job.finished = before;
    job.error = error.what();
  }
  const auto task = task_of(job);
  if (job.is_done() || task.empty()) {
    return;
  }
  if (const auto state = queued_.find(task); state != queued_.end()) {
    job.error.clear();
    job.is_running = is_running_state(state->second);
  } else if (job.error.empty()) {
    const auto end = ended_.find(task);
    board_.warn(job.name + ": task " + task + " ended before the point was done" +
                (end == ended_.end() ? "" : " (" + end->second + ")"));
  }
}

void SlurmLauncher::take_stages(Job& job) {
  while (!job.is_done()) {
    const auto status = exit_status_of(job, job.stages[job.finished]);
    if (status != 0) {
      job.error = !status || has_saved_state(*status) ? "" : failure_text(job, *status);
      return;
    }
    ++job.finished;
  }
}

void SlurmLauncher::forget_ended() {
  const auto has_ended = [&](const SubmittedJob& job) {
    for (size_t i = 0; i < job.points.size(); ++i) {
      if (queued_.count(task_name(job.number, i)) != 0) {
        return false;
      }
    }
    return true;
  };
  submitted_.erase(std::remove_if(submitted_.begin(), submitted_.end(), has_ended), submitted_.end());
  if (is_there(submitted_jobs_file(options_.folder)) || !submitted_.empty()) {
    write_submitted_jobs(options_.folder, submitted_);
  }
}

void SlurmLauncher::submit(const std::string& what, const std::vector<Entry*>& entries, const Entry* after) {
  std::vector<Job> jobs;
  SubmittedJob submitted;
  for (const auto* entry : entries) {
    if (!entry->job.is_done() && !is_in_queue(entry->job)) {
      jobs.push_back(entry->job);
      submitted.points.push_back(entry->job.name);
    }
  }
  if (jobs.empty()) {
    return;
  }
  for (const auto& job : jobs) {
    prepare(job);
  }
  const auto script = fs::absolute(options_.folder + "/slurm-" + what + ".sh").string();
  write_bytes_atomically(script,
                         {array_script(jobs, {options_.programs, fs::current_path(), options_.threads})});
  submitted.name = new_name(options_.folder);
  submitted_.push_back(submitted);
  write_submitted_jobs(options_.folder, submitted_);
  const auto after_job = after != nullptr && !after->job.is_done() ? job_of(after->job) : "";
  auto& number = submitted_.back().number;
  number =
      SlurmQueue::submit(sbatch_command_options(options_, submitted.name, jobs.size(), after_job), script);
  write_submitted_jobs(options_.folder, submitted_);
  for (size_t i = 0; i < jobs.size(); ++i) {
    queued_[task_name(number, i)] = "PENDING";
  }
  std::cout << "submitted job " << number << ": " << jobs.size() << (jobs.size() == 1 ? " task" : " tasks")
            << " (" << what << ")" << std::endl;
}

void check_no_jobs(const std::string& folder) {
  auto submitted = read_submitted_jobs(folder);
  if (submitted.empty()) {
    return;
  }
  find_numbers(submitted);
  const auto queued = SlurmQueue::waiting_or_running(numbers_of(submitted));
  if (!queued.empty()) {
    throw Error(folder + ": task " + queued.begin()->first +
                " of Slurm makes points of it; expected --launcher slurm, or no such task");
  }
}

}  // namespace bsq::cli
