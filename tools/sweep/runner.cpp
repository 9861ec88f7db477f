#include "tools/sweep/runner.h"

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <sstream>
#include <thread>

#include "bsq/base/error.h"
#include "tools/cli/resumable.h"
#include "tools/cli/signals.h"
#include "tools/sweep/stage_output.h"

namespace bsq::cli {
namespace {

constexpr std::chrono::milliseconds kPollPause(50);

std::string end_text(const Entry& entry) {
  const auto& result = entry.result;
  std::ostringstream text;
  text << entry.job.name << ": " << entry.job.stages[entry.job.finished - 1].program << " done" << std::fixed
       << std::setprecision(2) << ", comp " << result.comp << ", top-1 "
       << (std::isfinite(result.top1) ? result.top1 : result.trained_top1) << " %";
  return text.str();
}

// Whether a stage ended because this sweep, which was told to stop, told it so.
bool was_stopped(int status) { return stop_status() != 0 && status == 128 + SIGTERM; }

std::string stop_text(const Job& job) {
  return job.name +
         (holds_state(job.stages[job.finished].folder) ? ": stopped, its state is saved" : ": stopped");
}

}  // namespace

std::vector<std::string> Runner::launch_command(const Stage& stage) const {
  auto words = stage.command();
  if (holds_state(stage.folder)) {
    words = {stage.program, "--resume", "--out", stage.folder};
  }
  words[0] = options_.programs + "/" + stage.program;
  if (!stage.settings.has("threads")) {
    words.insert(words.end(), {"--threads", std::to_string(options_.threads)});
  }
  if (!stage.settings.has("workers")) {
    words.insert(words.end(), {"--workers", std::to_string(std::min(options_.threads, kMostWorkers))});
  }
  return words;
}

void Runner::start(Entry& entry) {
  auto& job = entry.job;
  const auto& stage = job.stages[job.finished];
  try {
    save_progress(job);
    const auto out = output_of(job, stage);
    running_.push_back(
        {&entry, std::make_unique<Process>(launch_command(stage), out + ".txt", out + ".err")});
  } catch (const Error& error) {
    job.error = error.what();
    board_.tell(job.name + ": failed: " + job.error);
    return;
  }
  job.is_running = true;
  board_.tell(job.name + ": " + stage.program + " started");
}

void Runner::take_end(Entry& entry, int status) {
  auto& job = entry.job;
  job.is_running = false;
  if (status == 0) {
    take_success(entry);
  } else {
    job.error = was_stopped(status) ? "" : failure_text(job, status);
    record(job);
  }
  board_.tell(!job.error.empty() ? job.name + ": failed: " + job.error
              : status == 0      ? end_text(entry)
                                 : stop_text(job));
}

// A stage counts once its results are read and that is on disk.
void Runner::take_success(Entry& entry) {
  auto& job = entry.job;
  ++job.finished;
  try {
    entry.result = read_result(job);
    save_progress(job);
  } catch (const std::exception& error) {
    --job.finished;
    job.error = error.what();
    record(job);
  }
}

void Runner::record(Job& job) {
  try {
    save_progress(job);
  } catch (const Error& error) {
    job.error = job.error.empty() ? error.what() : job.error;
  }
}

bool Runner::collect() {
  bool has_changed = false;
  for (auto& [entry, process] : running_) {
    if (const auto status = process->poll()) {
      process.reset();
      take_end(*entry, *status);
      has_changed = true;
    }
  }
  running_.erase(std::remove_if(running_.begin(), running_.end(),
                                [](const Running& running) { return running.process == nullptr; }),
                 running_.end());
  return has_changed;
}

void Runner::stop_all() {
  for (auto& running : running_) {
    running.process->send(SIGTERM);
  }
  while (!running_.empty()) {
    std::this_thread::sleep_for(kPollPause);
    collect();
  }
}

bool Runner::run(std::vector<Entry>& entries, const std::function<void()>& on_change) {
  const auto can_start = [](const Entry& entry) {
    return !entry.job.is_running && !entry.job.is_done() && entry.job.error.empty();
  };
  while (stop_status() == 0) {
    bool has_changed = false;
    for (auto& entry : entries) {
      if (static_cast<int64_t>(running_.size()) < options_.jobs && can_start(entry)) {
        start(entry);
        has_changed = true;
      }
    }
    if (running_.empty()) {
      break;
    }
    std::this_thread::sleep_for(kPollPause);
    if (collect() || has_changed) {
      on_change();
    }
    board_.draw(entries);
  }
  stop_all();
  on_change();
  board_.draw(entries, /*now=*/true);
  return stop_status() == 0;
}

}  // namespace bsq::cli
