#include "tools/sweep/job.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/run_summary.h"
#include "bsq/io/text_file.h"
#include "tools/sweep/command_words.h"

namespace bsq::cli {
namespace {

using nlohmann::json;

std::string progress_file(const Job& job) { return job.folder + "/point.json"; }

constexpr size_t kMostProgressBytes = size_t{1} << 20;

json read_progress(const std::string& path) {
  const auto text = read_text_file(path, kMostProgressBytes, "a point's record");
  const auto found = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object() || !found.contains("stages") || !found["stages"].is_array()) {
    throw Error(path + ": is not what a sweep writes; expected a point's record, or no such file");
  }
  return found;
}

}  // namespace

std::vector<std::string> Stage::command() const {
  std::vector<std::string> words = {program};
  const auto flags = settings.arguments();
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {"--out", folder});
  return words;
}

std::string state_of(const Job& job) {
  if (job.is_done()) {
    const bool is_trained_only =
        job.stages.size() == 1 && !job.values.empty() && job.stages.front().program == "bsq_train";
    return is_trained_only ? "trained" : "done";
  }
  if (!job.error.empty()) {
    return "failed";
  }
  if (job.is_earlier) {
    return "stopped";
  }
  return job.is_running ? job.stages[job.finished].program : "waiting";
}

void load_progress(Job& job) {
  const auto path = progress_file(job);
  if (!std::filesystem::exists(path)) {
    return;
  }
  const auto stages = read_progress(path)["stages"];
  for (size_t i = 0; i < std::min(stages.size(), job.stages.size()); ++i) {
    const auto found = stages[i].value("command", std::vector<std::string>());
    const auto difference = difference_text(found, job.stages[i].command());
    if (!difference.empty()) {
      throw Error(path + ": " + difference + " (another --checkpoint begins a new sweep)");
    }
    if (stages[i].value("done", false) && job.finished == i) {
      job.finished = i + 1;
    }
  }
}

Job load_job(const std::string& folder, const std::string& name) {
  Job job;
  job.name = name;
  job.folder = folder + "/" + name;
  job.is_earlier = true;
  const auto path = progress_file(job);
  try {
    const auto found = read_progress(path);
    job.error = found.value("error", "");
    for (const auto& stage : found["stages"]) {
      const auto words = stage.at("command").get<std::vector<std::string>>();
      const auto out = std::find(words.begin(), words.end(), "--out");
      if (words.empty() || words.end() - out != 2) {
        throw Error(path + ": a stage without --out FOLDER; expected a point's record");
      }
      const auto run = std::filesystem::path(words.back()).filename().string();
      job.stages.push_back(
          {words[0], job.folder + "/" + run, Settings::of_arguments({words.begin() + 1, out})});
      job.finished += stage.value("done", false) && job.finished + 1 == job.stages.size() ? 1 : 0;
    }
  } catch (const json::exception&) {
    throw Error(path + ": is not what a sweep writes; expected a point's record");
  }
  return job;
}

void save_progress(const Job& job) {
  std::error_code error;
  std::filesystem::create_directories(job.folder, error);
  if (!std::filesystem::is_directory(job.folder)) {
    throw Error(job.folder + ": cannot be made; expected a folder to write to");
  }
  json stages = json::array();
  for (size_t i = 0; i < job.stages.size(); ++i) {
    stages.push_back({{"command", job.stages[i].command()}, {"done", i < job.finished}});
  }
  const auto text = json{{"name", job.name}, {"stages", stages}, {"error", job.error}}.dump(
                        2, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace) +
                    "\n";
  write_bytes_atomically(progress_file(job), {text});
}

EpochCount epochs_of(const Job& job) {
  EpochCount count;
  if (job.is_done()) {
    return count;
  }
  try {
    const auto summary = read_summary(job.stages[job.finished].folder);
    return {summary.epochs_done, summary.epochs};
  } catch (const Error&) {
    return count;  // it has only just begun
  }
}

}  // namespace bsq::cli
