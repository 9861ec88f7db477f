#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bsq/train/ranks/step_watch.h"

namespace bsq {

/// Where ranks leave words for each other. Calls may block while whoever keeps the board is stopped.
class Board {
 public:
  virtual ~Board() = default;
  virtual void put(const std::string& key, const std::string& text) = 0;
  /// The text of a key that somebody has put; may wait for that.
  virtual std::string read(const std::string& key) = 0;
};

struct RankWatchOptions {
  int64_t rank = 0, count = 1;
  /// The rank whose process keeps the board; -1: a launcher does.
  int64_t board_rank = 0;
  std::chrono::milliseconds period{1000};         ///< between two signs of life
  std::chrono::milliseconds silence{15000};       ///< after which a rank counts as lost
  std::chrono::milliseconds short_silence{5000};  ///< the same, once an operation among the ranks has failed
  std::chrono::milliseconds grace{3000};          ///< for what a rank that ended with an error says itself
  StepWatchOptions steps;
};

/// Signs of life. Each rank puts one on the board every period and looks at those of all others, on threads
/// of its own, so that a rank whose main thread waits for a lost one still finds out. A rank is lost when its
/// process has ended, is stopped, or cannot reach the board. A job that is stopped and continued as a whole
/// goes on. A rank that hangs in a step finds that out itself (StepWatch), tells the others, and counts as
/// lost.
class RankWatch {
 public:
  /// Called once, on another thread, with the number of the lost rank (-1: the launcher's board) and what
  /// happened to it: "gives no sign of life". The number may be this rank's own.
  using Lost = std::function<void(int64_t rank, const std::string& how)>;

  /// Every rank's first word has been put (announce()) before: see wait_for_all().
  RankWatch(std::unique_ptr<Board> board, const RankWatchOptions& options, Lost lost);
  /// Says good-bye, so that the others do not miss this rank; the one that keeps the board waits until they
  /// all have said it, at most for the time of silence.
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  static void announce(Board& board, int64_t rank);
  /// Until all ranks have been announced, where reading waits for a key.
  static void wait_for_all(Board& board, int64_t count);

  /// To be told what this rank is doing.
  StepWatch& steps() { return steps_; }

  /// This rank ends with an error: the others learn why and end too.
  void fail(const std::string& why);
  /// For the main thread, where an operation has failed: waits for the rank that it failed for to be found.
  /// Throws bsq::Error with `what` where none is.
  [[noreturn]] void explain(const std::string& what);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    std::string text;
    Clock::time_point since;
  };

  void beat();
  void pass();
  void guard();
  void look(Clock::time_point now);
  bool all_done();
  void say_lost(const std::string& how);
  void end_hanging(const std::string& how);
  void report(int64_t rank, const std::string& how);

  const std::unique_ptr<Board> board_;
  const RankWatchOptions options_;
  const Lost lost_;
  StepWatch steps_;

  std::mutex mutex_;  // guards all that follows but the threads
  std::condition_variable changed_;
  std::vector<Seen> seen_;
  Clock::time_point last_pass_;
  std::string own_text_;  // instead of a sign of life
  int64_t passes_ = 0;
  bool is_hurried_ = false;  // own_text_ is to be put at once
  bool board_is_lost_ = false;
  bool is_suspicious_ = false;
  bool has_reported_ = false;
  bool is_stopping_ = false;
  std::thread beat_, guard_;
};

}  // namespace bsq
