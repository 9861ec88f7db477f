#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace bsq::cli {

/// A running program. It gets SIGTERM when this process dies, however that happens, so that a killed sweep
/// leaves nothing running; Ctrl-C at the terminal does not reach it.
class Process {
 public:
  /// Starts `command` (program first, found as a shell finds it). stdout is appended to one file, stderr goes
  /// to another. Throws bsq::Error where files or process cannot be made.
  Process(const std::vector<std::string>& command, const std::string& out_file, const std::string& err_file);
  /// Asks a program that still runs to end, and waits for it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The exit status once it has ended, 128 + the signal where one ended it; nothing while it runs.
  std::optional<int> poll();
  /// Sends a signal while it runs.
  void send(int signal);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace bsq::cli
