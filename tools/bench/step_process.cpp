#include "tools/bench/step_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <stdexcept>

namespace bsq::bench {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

[[noreturn]] void become(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>(kSelf)};
  for (const auto& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  execv(kSelf, argv.data());
  _exit(127);
}

}  // namespace

StepProcess::StepProcess(const std::vector<std::string>& arguments) {
  std::array<int, 2> requests{};
  std::array<int, 2> answers{};
  if (pipe2(requests.data(), O_CLOEXEC) != 0 || pipe2(answers.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe to a child process");
  }
  child_ = fork();
  if (child_ < 0) {
    throw std::runtime_error("no child process");
  }
  if (child_ == 0) {
    dup2(requests[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    become(arguments);
  }
  close(requests[0]);
  close(answers[1]);
  to_child_ = requests[1];
  from_child_ = answers[0];
}

StepProcess::~StepProcess() {
  close(to_child_);
  close(from_child_);
  waitpid(child_, nullptr, 0);
}

double StepProcess::ask(char what) {
  double value = 0;
  if (write(to_child_, &what, 1) != 1 ||
      read(from_child_, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
    throw std::runtime_error("a benchmark's child process ended early");
  }
  return value;
}

double StepProcess::step() { return ask('s'); }
double StepProcess::peak_memory() { return ask('m'); }

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double own_peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word && word != "VmHWM:") {
  }
  status >> kilobytes;
  return kilobytes * 1024;
}

char next_request() {
  char what = 0;
  return read(STDIN_FILENO, &what, 1) == 1 ? what : '\0';
}

void answer(double value) {
  if (write(STDOUT_FILENO, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
    std::raise(SIGPIPE);
  }
}

}  // namespace bsq::bench
