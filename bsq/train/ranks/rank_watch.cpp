#include "bsq/train/ranks/rank_watch.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr const char* kDone = "done";
constexpr const char* kLost = "lost: ";  // and what the others say of it
constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kOwnGap{5000};  // between two ticks: the whole process was stopped

std::string key_of(int64_t rank) { return "rank/" + std::to_string(rank); }

bool is_loss(const std::string& text) { return text.rfind(kLost, 0) == 0; }

}  // namespace

void RankWatch::announce(Board& board, int64_t rank) { board.put(key_of(rank), "alive 0"); }

void RankWatch::wait_for_all(Board& board, int64_t count) {
  for (int64_t rank = 0; rank < count; ++rank) {
    board.read(key_of(rank));
  }
}

RankWatch::RankWatch(std::unique_ptr<Board> board, const RankWatchOptions& options, Lost lost)
    : board_(std::move(board)), options_(options), lost_(std::move(lost)), steps_(options.steps) {
  last_pass_ = Clock::now();
  seen_.assign(static_cast<size_t>(options.count), {"", last_pass_});
  beat_ = std::thread([this] { beat(); });
  guard_ = std::thread([this] { guard(); });
}

RankWatch::~RankWatch() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (own_text_.empty()) {
    own_text_ = kDone;
  }
  const int64_t next = passes_ + 2;  // one that began after this
  is_hurried_ = true;
  changed_.notify_all();
  const auto is_over = [&] { return has_reported_ || board_is_lost_; };
  changed_.wait_for(lock, options_.grace, [&] { return passes_ >= next || is_over(); });
  if (options_.rank == options_.board_rank) {
    changed_.wait_for(lock, options_.silence, [&] { return all_done() || is_over(); });
  }
  is_stopping_ = true;
  changed_.notify_all();
  lock.unlock();
  guard_.join();
  beat_.join();
}

bool RankWatch::all_done() {
  for (int64_t rank = 0; rank < options_.count; ++rank) {
    const auto& text = seen_[static_cast<size_t>(rank)].text;
    if (rank != options_.rank && text != kDone && !is_loss(text)) {
      return false;
    }
  }
  return true;
}

void RankWatch::fail(const std::string& why) { say_lost("ended: " + why); }

void RankWatch::say_lost(const std::string& how) {
  std::unique_lock<std::mutex> lock(mutex_);
  own_text_ = kLost + how;
  is_hurried_ = true;
  changed_.notify_all();
}

void RankWatch::explain(const std::string& what) {
  std::unique_lock<std::mutex> lock(mutex_);
  is_suspicious_ = true;
  changed_.wait_for(lock, options_.silence, [&] { return has_reported_; });
  throw Error(what);
}

void RankWatch::beat() {
  try {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      is_hurried_ = false;
      lock.unlock();
      pass();
      lock.lock();
      ++passes_;
      changed_.notify_all();
      const auto period = own_text_.empty() ? options_.period : std::min(options_.period, kTick);
      changed_.wait_for(lock, period, [&] { return is_stopping_ || is_hurried_; });
      if (is_stopping_) {
        return;
      }
    }
  } catch (const std::exception&) {
    const std::lock_guard<std::mutex> lock(mutex_);
    board_is_lost_ = true;
    changed_.notify_all();
  }
}

void RankWatch::pass() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto text = own_text_.empty() ? "alive " + std::to_string(passes_ + 1) : own_text_;
  lock.unlock();
  board_->put(key_of(options_.rank), text);
  for (int64_t rank = 0; rank < options_.count; ++rank) {
    if (rank == options_.rank) {
      continue;
    }
    const auto found = board_->read(key_of(rank));
    lock.lock();
    if (auto& seen = seen_[static_cast<size_t>(rank)]; seen.text != found) {
      seen = {found, Clock::now()};
    }
    lock.unlock();
  }
  lock.lock();
  last_pass_ = Clock::now();
}

void RankWatch::guard() {
  auto last_tick = Clock::now();
  std::unique_lock<std::mutex> lock(mutex_);
  while (!is_stopping_ && !has_reported_) {
    changed_.wait_for(lock, kTick, [&] { return is_stopping_; });
    const auto now = Clock::now();
    if (now - last_tick > std::max(kOwnGap, 4 * kTick)) {
      last_pass_ = now;
      for (auto& seen : seen_) {
        seen.since = now;
      }
      steps_.forgive();
    }
    last_tick = now;
    if (!is_stopping_) {
      lock.unlock();
      look(now);
      lock.lock();
      if (!has_reported_) {
        lock.unlock();
        if (const auto how = steps_.look(); !how.empty()) {
          end_hanging(how);
        }
        lock.lock();
      }
    }
  }
}

// The others learn why before this process ends, and the board with it, where it keeps that.
void RankWatch::end_hanging(const std::string& how) {
  say_lost(how);
  std::unique_lock<std::mutex> lock(mutex_);
  const int64_t next = passes_ + 2;
  changed_.wait_for(lock, options_.grace, [&] { return passes_ >= next || board_is_lost_; });
  lock.unlock();
  std::this_thread::sleep_for(2 * options_.period);
  report(options_.rank, how);
}

void RankWatch::look(Clock::time_point now) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto limit = is_suspicious_ ? options_.short_silence : options_.silence;
  // The keeper of the board may have gone last, with everybody done.
  if (now - last_pass_ > (board_is_lost_ ? options_.grace : limit) && own_text_ != kDone) {
    lock.unlock();
    report(options_.board_rank, "gives no sign of life");
    return;
  }
  for (int64_t rank = 0; rank < options_.count; ++rank) {
    const auto& seen = seen_[static_cast<size_t>(rank)];
    if (rank == options_.rank || seen.text == kDone) {
      continue;
    }
    const bool is_known = is_loss(seen.text);
    if (now - seen.since > (is_known ? options_.grace : limit)) {
      const auto how =
          is_known ? seen.text.substr(std::string(kLost).size()) : std::string("gives no sign of life");
      lock.unlock();
      report(rank, how);
      return;
    }
  }
}

void RankWatch::report(int64_t rank, const std::string& how) {
  lost_(rank, how);
  const std::lock_guard<std::mutex> lock(mutex_);
  has_reported_ = true;
  changed_.notify_all();
}

}  // namespace bsq
