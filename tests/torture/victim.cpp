#include "tests/torture/victim.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "bsq/base/error.h"

extern char** environ;

namespace bsq::torture {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kTemporaryMark = ".tmp.";
constexpr double kLongestRun = 120;  // seconds

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void sleep_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// Counts the temporary files that are made in a folder.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder) : descriptor_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (descriptor_ < 0 || inotify_add_watch(descriptor_, folder.c_str(), IN_CREATE) < 0) {
      throw Error(folder + ": cannot be watched: " + std::strerror(errno));
    }
  }
  ~FolderWatch() { close(descriptor_); }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// New ones within so many milliseconds; returns as soon as there is one.
  int wait(int milliseconds) {
    pollfd ready{descriptor_, POLLIN, 0};
    if (poll(&ready, 1, milliseconds) <= 0) {
      return 0;
    }
    alignas(inotify_event) char buffer[4096];
    const ssize_t bytes = read(descriptor_, buffer, sizeof buffer);
    int count = 0;
    for (ssize_t at = 0; at < bytes;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      count += event->len > 0 && std::strstr(event->name, kTemporaryMark) != nullptr ? 1 : 0;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
    return count;
  }

 private:
  int descriptor_;
};

pid_t start(const std::vector<std::string>& command, const std::string& out_file,
            const std::string& error_file) {
  std::vector<char*> arguments;
  for (const auto& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out_file.c_str(), flags, 0666);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, error_file.c_str(), flags, 0666);
  pid_t process = 0;
  const int error = posix_spawn(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw Error(command[0] + ": cannot be started: " + std::strerror(error));
  }
  return process;
}

bool has_ended(pid_t process, Ending& ending) {
  int status = 0;
  if (waitpid(process, &status, WNOHANG) != process) {
    return false;
  }
  ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

// A file that begins with a dot and ends with ".tmp." and the number of the process.
bool has_temporary(const std::string& folder, pid_t process) {
  const auto ending = kTemporaryMark + std::to_string(process);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      return true;
    }
  }
  return false;
}

void kill_now(pid_t process, const std::string& folder, Ending& ending) {
  kill(process, SIGKILL);
  int status = 0;
  waitpid(process, &status, 0);
  ending.was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  ending.in_save = ending.was_killed && has_temporary(folder, process);
}

}  // namespace

Ending run_and_kill(const std::vector<std::string>& command, const std::string& folder,
                    const std::string& out_file, const std::string& error_file, const KillPlan& plan) {
  FolderWatch watch(folder);
  const auto begin = Clock::now();
  const pid_t process = start(command, out_file, error_file);
  Ending ending;
  int saves = 0;
  while (!has_ended(process, ending)) {
    const bool is_due = plan.save > 0 ? saves >= plan.save : seconds_since(begin) >= plan.delay;
    if (is_due || seconds_since(begin) > kLongestRun) {
      if (plan.save > 0) {
        sleep_for(plan.delay);
      }
      kill_now(process, folder, ending);
      break;
    }
    saves += watch.wait(/*milliseconds=*/1);
  }
  ending.seconds = seconds_since(begin);
  return ending;
}

Ending run_to_the_end(const std::vector<std::string>& command, const std::string& out_file,
                      const std::string& error_file) {
  const auto begin = Clock::now();
  const pid_t process = start(command, out_file, error_file);
  Ending ending;
  int status = 0;
  waitpid(process, &status, 0);
  ending.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ending.seconds = seconds_since(begin);
  return ending;
}

}  // namespace bsq::torture
