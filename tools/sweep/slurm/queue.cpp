#include "tools/sweep/slurm/queue.h"

#include <algorithm>
#include <sstream>

#include "bsq/base/error.h"
#include "bsq/base/shown_text.h"
#include "tools/sweep/program_output.h"

namespace bsq::cli {
namespace {

// A task whose dependency has failed.
constexpr const char* kNever = "(DependencyNeverSatisfied)";

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

bool is_task(const std::string& text) {
  const auto line = text.find('_');
  return line != std::string::npos && is_number(text.substr(0, line)) && is_number(text.substr(line + 1));
}

std::string comma_list(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : ",") + word;
  }
  return text;
}

std::string last_line_of(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    last = line.empty() ? last : line;
  }
  return shown_text(last);
}

[[noreturn]] void fail(const std::string& program, const ProgramOutput& output) {
  const auto line = last_line_of(output.err);
  throw Error(program + (line.empty() ? ": ended with status " + std::to_string(output.status)
                         : line.find(program + ": ") == 0 ? line.substr(program.size())
                                                          : ": " + line));
}

// Empty where Slurm has forgotten the job, which it does some minutes after its end.
std::string asked_queue(const std::vector<std::string>& command) {
  const auto output = output_of_program(command);
  if (output.status != 0 && output.err.find("Invalid job id") == std::string::npos) {
    fail("squeue", output);
  }
  return output.out;
}

}  // namespace

std::string task_name(const std::string& job, size_t index) { return job + "_" + std::to_string(index); }

std::string job_number(const std::string& printed) {
  std::istringstream lines(printed);
  std::string line, last;
  while (std::getline(lines, line)) {
    last = line.empty() ? last : line;
  }
  const auto number = last.substr(0, last.find(';'));
  if (!is_number(number)) {
    throw Error("sbatch: printed '" + shown_text(last) + "'; expected the number of a job");
  }
  return number;
}

std::map<std::string, std::string> task_states(const std::string& printed) {
  std::map<std::string, std::string> states;
  std::istringstream lines(printed);
  for (std::string line; std::getline(lines, line);) {
    const auto bar = line.find('|');
    if (bar != std::string::npos && is_task(line.substr(0, bar))) {
      states[line.substr(0, bar)] = line.substr(bar + 1);
    }
  }
  return states;
}

void SlurmQueue::check() {
  ProgramOutput output;
  try {
    output = output_of_program({"sbatch", "--version"});
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; --launcher slurm needs Slurm's commands on PATH");
  }
  if (output.status != 0) {
    fail("sbatch", output);
  }
}

std::string SlurmQueue::submit(const std::vector<std::string>& options, const std::string& script) {
  std::vector<std::string> command = {"sbatch", "--parsable"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(script);
  const auto output = output_of_program(command);
  if (output.status != 0) {
    fail("sbatch", output);
  }
  return job_number(output.out);
}

std::map<std::string, std::string> SlurmQueue::waiting_or_running(const std::vector<std::string>& jobs) {
  if (jobs.empty()) {
    return {};
  }
  auto states = task_states(asked_queue(
      {"squeue", "--noheader", "--array", "--format=%F_%K|%T (%r)", "--jobs=" + comma_list(jobs)}));
  for (auto at = states.begin(); at != states.end();) {
    at = at->second.find(kNever) != std::string::npos ? states.erase(at) : std::next(at);
  }
  return states;
}

std::optional<std::string> SlurmQueue::job_named(const std::string& name) {
  const auto states =
      task_states(asked_queue({"squeue", "--noheader", "--array", "--format=%F_%K|%T", "--name=" + name}));
  if (states.empty()) {
    return std::nullopt;
  }
  const auto& task = states.begin()->first;
  return task.substr(0, task.find('_'));
}

std::map<std::string, std::string> SlurmQueue::ended(const std::vector<std::string>& jobs) {
  if (jobs.empty()) {
    return {};
  }
  try {
    const auto output = output_of_program({"sacct", "--noheader", "--parsable2", "--allocations",
                                           "--format=JobID,State", "--jobs=" + comma_list(jobs)});
    return output.status == 0 ? task_states(output.out) : std::map<std::string, std::string>();
  } catch (const Error&) {
    return {};  // sacct is not everywhere
  }
}

}  // namespace bsq::cli
