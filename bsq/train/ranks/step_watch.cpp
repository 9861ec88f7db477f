#include "bsq/train/ranks/step_watch.h"

#include <pthread.h>

#include <algorithm>

namespace bsq {
namespace {

// A thread that waits uses less, one that computes, even on a crowded machine, more.
constexpr std::chrono::milliseconds kMove{20};

std::string seconds_text(std::chrono::steady_clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

void StepWatch::begin_step(Ranks::StepKind kind) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pthread_getcpuclockid(pthread_self(), &clock_);
  kind_ = static_cast<size_t>(kind);
  longest_now_ = {};
  is_in_step_ = true;
  restart(Clock::now());
}

void StepWatch::end_step() {
  const std::lock_guard<std::mutex> lock(mutex_);
  mark(Clock::now());
  is_in_step_ = false;
  longest_[kind_] = std::max(longest_[kind_], longest_now_);
}

void StepWatch::begin_operation() {
  const std::lock_guard<std::mutex> lock(mutex_);
  mark(Clock::now());
  ++operations_;
}

void StepWatch::end_operation() {
  const std::lock_guard<std::mutex> lock(mutex_);
  mark(Clock::now());
  --operations_;
}

void StepWatch::forgive() {
  const std::lock_guard<std::mutex> lock(mutex_);
  marked_ = moved_ = Clock::now();
}

void StepWatch::mark(Clock::time_point now) {
  if (is_in_step_ && operations_ == 0) {
    longest_now_ = std::max(longest_now_, now - marked_);
  }
  if (is_in_step_) {
    restart(now);
  }
}

void StepWatch::restart(Clock::time_point now) {
  marked_ = moved_ = now;
  moved_at_ = processor_time();
}

std::chrono::nanoseconds StepWatch::processor_time() const {
  timespec time{};
  clock_gettime(clock_, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::string StepWatch::look() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!is_in_step_ || operations_ > 0) {
    return "";
  }
  const auto now = Clock::now();
  if (const auto time = processor_time(); time - moved_at_ >= kMove) {
    moved_at_ = time;
    moved_ = now;
  }
  if (now - moved_ > options_.stillness) {
    return "hangs: it has done nothing for " + seconds_text(now - moved_) + ", in the middle of a step";
  }
  const auto longest = longest_[kind_];
  const Clock::duration limit = std::max<Clock::duration>(options_.least_limit, options_.times * longest);
  if (longest > Clock::duration() && now - marked_ > limit) {
    return "hangs: it has computed for " + seconds_text(now - marked_) +
           " in a step, where earlier ones took " + "at most " +
           seconds_text(longest + std::chrono::seconds(1));
  }
  return "";
}

}  // namespace bsq
