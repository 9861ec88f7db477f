#include "tools/cli/signals.h"

#include <unistd.h>

#include <csignal>

namespace bsq::cli {
namespace {

volatile std::sig_atomic_t stop_signal = 0;
volatile std::sig_atomic_t by_request = 0;
volatile std::sig_atomic_t at_once = 0;

template <size_t kSize>
[[noreturn]] void end_at_once(int signal, const char (&line)[kSize]) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, kSize - 1);
  _exit(128 + signal);
}

void on_signal(int signal) {
  if (at_once != 0) {
    _exit(128 + signal);
  }
  if (by_request == 0) {
    end_at_once(signal, "stopped by a signal before training; nothing to save\n");
  }
  if (stop_signal != 0 && signal == SIGINT) {
    end_at_once(signal, "\nstopped at once; what was saved stays\n");
  }
  stop_signal = signal;
}

}  // namespace

void make_file_limits_errors() { std::signal(SIGXFSZ, SIG_IGN); }

void watch_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGUSR2, on_signal);
  if (std::signal(SIGHUP, on_signal) == SIG_IGN) {
    std::signal(SIGHUP, SIG_IGN);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void stop_by_request() {
  by_request = 1;
  at_once = 0;
}

void stop_at_once() { at_once = 1; }

int stop_status() { return stop_signal == 0 ? 0 : 128 + stop_signal; }

}  // namespace bsq::cli
