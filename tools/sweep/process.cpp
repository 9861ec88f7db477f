#include "tools/sweep/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "bsq/base/error.h"

namespace bsq::cli {
namespace {

int open_output(const std::string& path, int how) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
  if (file < 0) {
    throw Error("cannot write " + path + ": " + std::strerror(errno));
  }
  return file;
}

// Between fork and exec only calls that do not allocate.
[[noreturn]] void become(char* const* arguments, int out, int err, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
    execvp(arguments[0], arguments);
    const char message[] = "cannot be started\n";
    [[maybe_unused]] const auto written = write(STDERR_FILENO, message, sizeof message - 1);
  }
  _exit(127);
}

int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::string& out_file,
                 const std::string& err_file) {
  std::vector<char*> arguments;
  for (const auto& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const int out = open_output(out_file, O_APPEND);
  const int err = open_output(err_file, O_TRUNC);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    become(arguments.data(), out, err, parent);
  }
  close(out);
  close(err);
  if (pid_ < 0) {
    throw Error(command.front() + ": cannot be started: " + std::strerror(errno));
  }
}

Process::~Process() {
  if (!poll()) {
    send(SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
}

std::optional<int> Process::poll() {
  int wait_status = 0;
  if (!status_ && waitpid(pid_, &wait_status, WNOHANG) == pid_) {
    status_ = status_of(wait_status);
  }
  return status_;
}

void Process::send(int signal) {
  if (!poll()) {
    kill(pid_, signal);
  }
}

}  // namespace bsq::cli
