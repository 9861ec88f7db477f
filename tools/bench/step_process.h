#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bsq::bench {

/// A child process that does one step whenever it is asked to: variants that are timed in turn share
/// neither memory nor threads, and each has its own peak memory.
class StepProcess {
 public:
  /// Starts this program again with `arguments`; it must call serve_steps(). Throws std::runtime_error.
  explicit StepProcess(const std::vector<std::string>& arguments);
  ~StepProcess();
  StepProcess(const StepProcess&) = delete;
  StepProcess& operator=(const StepProcess&) = delete;

  /// Seconds that one step took. Throws std::runtime_error where the child has died.
  double step();
  /// Peak resident memory so far, bytes.
  double peak_memory();

 private:
  double ask(char what);

  pid_t child_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
};

/// The child's side: answers on the standard streams until they close.
template <typename Step>
int serve_steps(Step step);

/// Seconds by the monotonic clock.
double now();
/// VmHWM of this process, bytes.
double own_peak_memory();
/// Reads one request; 0 at the end.
char next_request();
void answer(double value);

template <typename Step>
int serve_steps(Step step) {
  while (const char what = next_request()) {
    if (what == 'm') {
      answer(own_peak_memory());
      continue;
    }
    const double start = now();
    step();
    answer(now() - start);
  }
  return 0;
}

}  // namespace bsq::bench
