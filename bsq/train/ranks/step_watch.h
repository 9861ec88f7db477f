#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <string>

#include "bsq/base/ranks.h"

namespace bsq {

struct StepWatchOptions {
  /// Without time of the processor for the thread of the step: it waits for what does not come.
  std::chrono::milliseconds stillness{15000};
  /// Between two signs of progress, while the thread computes, at least; and at least so many times the
  /// longest time between two in earlier steps of the kind. The first step of a kind may compute as
  /// long as it likes.
  std::chrono::milliseconds least_limit{22000};
  int64_t times = 10;
};

/// Whether this rank gets on with its step. One thread computes the steps and says where it is; another one
/// looks. Signs of progress are the begin of a step and each operation among the ranks. Time spent in those
/// is no part of it: what another rank makes this one wait for is not its own hanging.
class StepWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit StepWatch(const StepWatchOptions& options = {}) : options_(options) {}

  void begin_step(Ranks::StepKind kind);
  void end_step();
  void begin_operation();
  void end_operation();

  /// What is wrong, "hangs: 15 s without ..."; "" for nothing. To be called now and then.
  std::string look();
  /// The process was stopped as a whole: time counts from now on.
  void forgive();

 private:
  std::chrono::nanoseconds processor_time() const;
  void mark(Clock::time_point now);
  void restart(Clock::time_point now);

  const StepWatchOptions options_;
  std::mutex mutex_;  // guards all that follows
  bool is_in_step_ = false;
  int64_t operations_ = 0;  // under way
  clockid_t clock_{};       // of the thread that computes
  Clock::time_point marked_, moved_;
  std::chrono::nanoseconds moved_at_{};  // the thread's time at moved_
  size_t kind_ = 0;
  Clock::duration longest_now_{};
  std::array<Clock::duration, 2> longest_{};  // of earlier steps by kind; 0: none
};

}  // namespace bsq
