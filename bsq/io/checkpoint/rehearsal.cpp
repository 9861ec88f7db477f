#include "bsq/io/checkpoint/rehearsal.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr rlim_t kSeconds = 10;
constexpr unsigned kPatience = 30;                  // seconds by the clock for one of the processor
constexpr rlim_t kBytesASecond = rlim_t{20} << 20;  // far below any disk's speed and ours

/// In the child, which has this thread alone: locks and pools of other threads are not to be waited for.
[[noreturn]] void run_child(const std::function<void()>& read, rlim_t seconds, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it holds copies of the parent's locks
  if (::getppid() != parent) ::_exit(0);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGALRM}) {
    std::signal(signal, SIG_DFL);
  }
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, SIG_IGN);  // the parent answers them
  }
  const rlimit none{0, 0};
  const rlimit time{seconds, seconds + 1};  // SIGXCPU, before SIGKILL
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_CPU, &time);
  ::alarm(static_cast<unsigned>(seconds) * kPatience);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDERR_FILENO);  // what malloc says before it aborts
  try {
    read();
  } catch (...) {
  }
  ::_exit(0);
}

}  // namespace

void rehearse(const std::string& path, const std::function<void()>& read) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  const rlim_t seconds = kSeconds + (error ? 0 : bytes / kBytesASecond);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return;
  if (child == 0) run_child(read, seconds, parent);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    throw Error(path + ": the process that tried to read it was killed; expected enough memory for it");
  }
  if (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0)) {
    throw Error(path + ": malformed: the HDF5 library fails on it");
  }
}

}  // namespace bsq
