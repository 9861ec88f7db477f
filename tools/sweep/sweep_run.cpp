#include "tools/sweep/sweep_run.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <thread>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "tools/cli/shell_text.h"
#include "tools/cli/signals.h"
#include "tools/sweep/compression_search.h"
#include "tools/sweep/seeds.h"
#include "tools/sweep/slurm/launcher.h"
#include "tools/sweep/slurm/queue.h"
#include "tools/sweep/sweep_lock.h"

namespace bsq::cli {
namespace fs = std::filesystem;
namespace {

std::string programs_folder() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

RunnerOptions runner_options(const SweepOptions& options, size_t points) {
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  RunnerOptions result;
  result.programs = programs_folder();
  // Two one-thread runs side by side get through more than two threads of one run.
  const int64_t most = options.target_comp ? 1 : std::min(cores, static_cast<int64_t>(points));
  result.jobs = options.jobs > 0 ? options.jobs : most;
  result.threads = options.threads > 0 ? options.threads : std::max<int64_t>(1, cores / result.jobs);
  return result;
}

size_t points_of(const SweepOptions& options) {
  size_t count = 1;
  for (const auto& axis : options.axes) {
    count *= axis.values.size();
  }
  return count + options.fixed.size();
}

// Throws nothing; gives why the file could not be written, "" where it was.
std::string write_text(const std::string& path, const std::string& text) {
  try {
    write_bytes_atomically(path, {text});
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// Of the accuracies that stand in the table.
std::string picked_text(const std::vector<Entry>& points) {
  const auto is_picked_on_test = [](const Entry& entry) {
    const auto& last = entry.job.stages.back();
    return last.program == "finetune" && std::isfinite(entry.result.top1) &&
           last.settings.value("val-split").value_or("0") == "0";
  };
  return std::any_of(points.begin(), points.end(), is_picked_on_test)
             ? "finetuned: the best epoch, picked on the test set\n"
             : "";
}

void add_clause(std::string& text, const std::string& clause) {
  text += (text.empty() || clause.empty() ? "" : "; ") + clause;
}

}  // namespace

SweepRun::SweepRun(const SweepOptions& options, const std::vector<std::string>& command)
    : options_(options),
      plan_(options),
      command_(command),
      board_(std::cerr, isatty(STDERR_FILENO) != 0),
      runner_(runner_options(options, points_of(options)), board_) {}

int SweepRun::run() {
  auto jobs = checked_jobs();
  if (options_.uses_slurm) {
    SlurmQueue::check();
  }
  const SweepLock lock(options_.folder);
  earlier_ = read_earlier_results(options_.folder);
  for (auto& job : jobs) {
    add(std::move(job));
  }
  watch_signals();
  stop_by_request();
  write_results("running");
  if (!work()) {
    write_results("stopped");
    std::cerr << "stopped by a signal; the same command goes on" << std::endl;
    return unwritten_.empty() ? stop_status() : 1;
  }
  return options_.uses_slurm ? conclude_submission() : conclude();
}

// The points that are known beforehand; float_ is filled too.
std::vector<Job> SweepRun::checked_jobs() {
  auto jobs = options_.target_comp ? plan_.baselines() : plan_.grid();
  check_names(jobs);
  for (const auto& job : jobs) {
    check_commands(job);
  }
  if (const auto float_training = plan_.float_training()) {
    check_commands(*float_training);
    float_.push_back({*float_training, {}});
  }
  if (options_.target_comp) {
    auto values = plan_.first_values();
    values.insert(values.begin(), {"alpha", number_text(plan_.first_alpha(), 4)});
    check_commands(plan_.point(values));
  }
  return jobs;
}

bool SweepRun::work() {
  try {
    if (options_.uses_slurm) {
      return work_by_slurm();
    }
    check_no_jobs(options_.folder);
    return train_float() && (options_.target_comp ? run_search() : run_entries(entries_) && run_snapshots());
  } catch (const std::exception&) {
    write_results("failed");
    throw;
  }
}

bool SweepRun::work_by_slurm() {
  SlurmLauncher launcher(
      {options_.folder, programs_folder(), options_.sbatch, options_.jobs, options_.threads}, board_);
  std::vector<Entry*> floats, points, all;
  for (auto& entry : float_) {
    take_up(entry);
    floats.push_back(&entry);
    all.push_back(&entry);
  }
  for (auto& entry : entries_) {
    points.push_back(&entry);
    all.push_back(&entry);
  }
  launcher.collect(all);
  launcher.submit("float", floats, nullptr);
  launcher.submit("points", points, floats.empty() ? nullptr : floats.front());
  return stop_status() == 0;
}

void SweepRun::add(Job job) {
  remove_temporaries(job.folder);
  entries_.push_back({std::move(job), {}});
  take_up(entries_.back());
}

// A stage whose files cannot be read is to be run again: --resume takes checkpoint.prev.h5, and is what fails
// where that one is damaged too.
void SweepRun::take_up(Entry& entry) {
  auto& job = entry.job;
  load_progress(job);
  for (bool is_read = false; !is_read;) {
    try {
      entry.result = read_result(job);
      is_read = true;
    } catch (const std::exception& error) {
      --job.finished;
      board_.warn(job.name + ": " + error.what() + "; " + job.stages[job.finished].program +
                  " is to go on from the state before");
    }
  }
}

bool SweepRun::run_entries(std::vector<Entry>& entries) {
  return runner_.run(entries, [&] { write_results("running"); });
}

bool SweepRun::train_float() {
  for (auto& entry : float_) {
    take_up(entry);
  }
  if (!run_entries(float_)) {
    return false;
  }
  for (const auto& entry : float_) {
    if (!entry.job.is_done()) {
      throw Error(entry.job.folder + ": the float training failed: " + entry.job.error);
    }
  }
  return true;
}

// Snapshots are there once their run has ended.
bool SweepRun::run_snapshots() {
  std::vector<Job> jobs;
  for (const auto& entry : entries_) {
    if (options_.snapshots && entry.job.is_done() && entry.job.stages.front().program == "bsq_train") {
      const auto own = plan_.snapshots(entry.job);
      jobs.insert(jobs.end(), own.begin(), own.end());
    }
  }
  for (auto& job : jobs) {
    check_commands(job);
    add(std::move(job));
  }
  return run_entries(entries_);
}

// Points of the search are trained only; the one that it ends with is finetuned.
bool SweepRun::run_search() {
  CompressionSearch search(*options_.target_comp, options_.tolerance, plan_.first_alpha(), options_.max_runs);
  const auto job_at = [&](double alpha) {
    auto values = plan_.first_values();
    values.insert(values.begin(), {"alpha", number_text(alpha, 4)});
    return plan_.point(values);
  };
  while (const auto alpha = search.next()) {
    auto job = job_at(*alpha);
    job.stages.resize(1);
    add(std::move(job));
    if (!run_entries(entries_)) {
      return false;
    }
    const auto& [run, result] = entries_.back();
    search.add(*alpha, run.is_done() ? std::optional(result.comp) : std::nullopt);
  }
  if (!search.best()) {
    verdict_ = "no run of the search succeeded";
    return true;
  }
  const auto best = job_at(*search.best());
  std::string nearest;
  for (auto& entry : entries_) {
    if (entry.job.name == best.name) {
      entry.job.stages = best.stages;
      take_up(entry);
      nearest = ", comp " + number_text(entry.result.comp, 4);
      std::cout << "alpha " << number_text(*search.best(), 4) << " gives comp "
                << number_text(entry.result.comp, 4) << std::endl;
    }
  }
  if (!search.has_landed()) {
    verdict_ = "no alpha found that gives comp " + number_text(*options_.target_comp, 6) + " within " +
               number_text(100 * options_.tolerance, 4) + " %; the nearest run is " + best.name + nearest;
  }
  return run_entries(entries_);
}

// This sweep's, then those that earlier commands asked for.
std::vector<Entry> SweepRun::all_points() const {
  auto all = entries_;
  for (const auto& earlier : earlier_.points) {
    const auto is_same = [&](const Entry& entry) { return entry.job.name == earlier.job.name; };
    if (std::none_of(entries_.begin(), entries_.end(), is_same)) {
      all.push_back(earlier);
    }
  }
  return all;
}

void SweepRun::write_results(const std::string& status) {
  const auto points = all_points();
  auto json = json_of(points);
  json["seeds"] = json_of(seed_results(points));
  json["status"] = status;
  json["command"] = shell_text(command_);
  if (float_.empty() && !earlier_.float_network.is_null()) {
    json["float"] = earlier_.float_network;
  }
  if (!float_.empty()) {
    json["float"] = {{"folder", float_[0].job.name},
                     {"status", state_of(float_[0].job)},
                     {"top1", number_json(float_[0].result.trained_top1)},
                     {"command", shell_text(float_[0].job.stages[0].command())}};
  }
  if (options_.target_comp) {
    json["target_comp"] = *options_.target_comp;
  }
  auto error = write_text(options_.folder + "/results.csv", csv_of(points));
  add_clause(error, write_text(options_.folder + "/results.json",
                               json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
  if (!error.empty() && unwritten_.empty()) {
    board_.warn(error + "; trying again at the next change");
  }
  unwritten_ = error;
}

void SweepRun::print_results() const {
  const auto points = all_points();
  std::cout << table_of(points) << seeds_table(seed_results(points)) << picked_text(points) << std::flush;
}

// A point that is not done waits or runs in the queue; one that failed waits there again.
int SweepRun::conclude_submission() {
  std::string failed;
  bool is_done = true;
  for (const auto* entries : {&float_, &entries_}) {
    for (const auto& entry : *entries) {
      is_done = is_done && entry.job.is_done();
      failed += entry.job.error.empty() ? "" : (failed.empty() ? "" : ", ") + entry.job.name;
    }
  }
  write_results(is_done ? "done" : "submitted");
  print_results();
  if (!is_done) {
    std::cout << "to collect: " << shell_text(command_) << std::endl;
  }
  auto problems = failed.empty() ? "" : "failed and submitted again: " + failed;
  add_clause(problems, unwritten_);
  if (!problems.empty()) {
    throw Error(problems);
  }
  return 0;
}

int SweepRun::conclude() {
  std::string failed;
  for (const auto& entry : entries_) {
    if (!entry.job.is_done()) {
      failed += (failed.empty() ? "" : ", ") + entry.job.name;
    }
  }
  write_results(failed.empty() ? "done" : "failed");
  print_results();
  auto problems = failed.empty() ? "" : "failed: " + failed;
  add_clause(problems, verdict_);
  add_clause(problems, unwritten_);
  if (!problems.empty()) {
    throw Error(problems);
  }
  return 0;
}

}  // namespace bsq::cli
