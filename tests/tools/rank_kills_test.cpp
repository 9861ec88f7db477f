#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

#include "bsq/io/checkpoint/checkpoint_compare.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr double kLimit = 30;  // seconds in which the other rank has to end
constexpr double kLongestWait = 120;
// In a step a rank that hangs is found; where it hangs elsewhere, as in a save, the test lets it go on.
constexpr int kTriesToHang = 6;

/// What happens to a rank: its process is killed, stopped, or its main thread stands still while its other
/// threads and its connections live.
enum class Way { kKill, kStop, kHang };

std::string flags() {
  return "--ranks 2 --sync-norm --depth 8 --bits 8 --alpha 0.5 --adjust-every 1 --lr 0.05 --epochs 5 "
         "--checkpoint-steps 2";
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool wait_until(double seconds, const std::function<bool()>& is_so) {
  for (const auto begin = Clock::now(); seconds_since(begin) < seconds;) {
    if (is_so()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// "R", "S", "T", ...; "" or "Z" for a process that has ended.
std::string state_of(pid_t process) {
  const auto text = text_of("/proc/" + std::to_string(process) + "/stat");
  const auto end = text.rfind(')');
  return end == std::string::npos ? "" : text.substr(end + 2, 1);
}

bool has_ended(pid_t process) {
  const auto state = state_of(process);
  return state.empty() || state == "Z" || state == "X";
}

/// A run of two processes, and the one that started them.
class RunOfTwo {
 public:
  /// `output`: the name of the files for stdout and stderr.
  RunOfTwo(const std::string& arguments, const std::string& output) : output_(output) {
    fs::remove(output_ + ".out");
    const auto command =
        "exec " + program("bsq_train") + " " + arguments + " >" + output_ + ".out 2>" + output_ + ".err";
    launcher_ = fork();
    if (launcher_ == 0) {
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    // The data are named once the ranks have met.
    wait_until(kLongestWait, [&] { return has_launcher_ended() || holds(out(), "data: "); });
    find_ranks();
  }
  ~RunOfTwo() {
    for (const pid_t process : ranks_) {
      if (process > 0) {
        kill(process, SIGKILL);
      }
    }
    status();
  }
  RunOfTwo(const RunOfTwo&) = delete;
  RunOfTwo& operator=(const RunOfTwo&) = delete;

  bool is_at_work() const { return ranks_[0] > 0 && ranks_[1] > 0; }
  pid_t rank(int number) const { return ranks_[number]; }
  std::string out() const { return text_of(output_ + ".out"); }
  std::string err() const { return text_of(output_ + ".err"); }

  bool has_launcher_ended() {
    int status = 0;
    if (!status_ && waitpid(launcher_, &status, WNOHANG) == launcher_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_.has_value();
  }
  int status() {
    EXPECT_TRUE(wait_until(kLongestWait, [&] { return has_launcher_ended(); })) << err();
    return status_.value_or(-1);
  }

 private:
  void find_ranks() {
    const auto id = std::to_string(launcher_);
    std::istringstream children(text_of("/proc/" + id + "/task/" + id + "/children"));
    for (pid_t child = 0; children >> child;) {
      const auto environment = text_of("/proc/" + std::to_string(child) + "/environ");
      for (int number = 0; number < 2; ++number) {
        const auto variable = std::string("RANK=") + std::to_string(number) + std::string(1, '\0');
        if (environment.rfind(variable, 0) == 0 || holds(environment, std::string(1, '\0') + variable)) {
          ranks_[number] = child;
        }
      }
    }
  }

  std::string output_;
  pid_t launcher_ = 0;
  pid_t ranks_[2] = {0, 0};
  std::optional<int> status_;
};

/// Holds the main thread of a process, and nothing else of it, as long as the object lives.
class HeldThread {
 public:
  explicit HeldThread(pid_t thread) : thread_(thread) {
    is_held_ = ptrace(PTRACE_ATTACH, thread_, nullptr, nullptr) == 0;
    is_allowed_ = is_held_ || errno != EPERM;
    if (is_held_) {
      int status = 0;
      waitpid(thread_, &status, __WALL);
    }
  }
  ~HeldThread() { release(); }
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;
  bool is_allowed() const { return is_allowed_; }
  // Of a process that has ended, its parent learns that only now.
  void release() {
    int status = 0;
    if (is_held_ && ptrace(PTRACE_DETACH, thread_, nullptr, nullptr) != 0) {
      waitpid(thread_, &status, __WALL);
    }
    is_held_ = false;
  }

 private:
  pid_t thread_;
  bool is_held_ = false, is_allowed_ = true;
};

class Kills {
 public:
  explicit Kills(int wanted) : wanted_(wanted) {}

  void run() {
    make_reference();
    while (done_ < wanted_ && !testing::Test::HasFailure()) {
      cycle();
    }
    while (is_begun_ && !testing::Test::HasFailure()) {
      RunOfTwo run(arguments(), file("last"));
      ASSERT_EQ(run.status(), 0) << run.err();
      check_end();
    }
    std::cout << "kills " << done_ << ", runs that ended bit for bit like the undisturbed one " << finished_
              << ", longest time until the other rank had ended: killed " << longest_[0] << " s, stopped "
              << longest_[1] << " s, hanging " << longest_[2] << " s" << std::endl;
  }

 private:
  std::string file(const std::string& name) const { return folder_.file(name); }

  std::string arguments() const {
    return is_begun_ ? "--resume --out " + file("run")
                     : tiny_flags() + " " + flags() + " --out " + file("run");
  }

  void make_reference() {
    const auto begin = Clock::now();
    RunOfTwo run(tiny_flags() + " " + flags() + " --out " + file("whole"), file("whole"));
    const double start = seconds_since(begin);
    ASSERT_EQ(run.status(), 0) << run.err();
    work_seconds_ = seconds_since(begin) - start;
  }

  double part() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  void cycle() {
    RunOfTwo run(arguments(), file("cycle"));
    const auto way = static_cast<Way>(done_ % 3);
    const int victim = static_cast<int>(random_() % 2);
    std::this_thread::sleep_for(std::chrono::duration<double>(part() * work_seconds_));
    if (run.is_at_work() && disturb(run, way, victim)) {
      ++done_;
    } else if (!testing::Test::HasFailure()) {
      ASSERT_EQ(run.status(), 0) << run.err();
    }
    is_begun_ = fs::exists(file("run/checkpoint.h5"));
    if (run.status() == 0 && is_begun_) {
      check_end();
    }
  }

  // Whether the rank was still at work, and the other one ended because of it.
  bool disturb(RunOfTwo& run, Way way, int victim) {
    const pid_t process = run.rank(victim), other = run.rank(1 - victim);
    if (has_ended(process) || has_ended(other)) {
      return false;
    }
    const auto begin = Clock::now();
    if (way == Way::kHang) {
      return hang(run, victim);
    }
    kill(process, way == Way::kKill ? SIGKILL : SIGSTOP);
    const bool is_over = wait_until(kLimit + 10, [&] { return has_ended(other); });
    take(way, seconds_since(begin), is_over, run);
    kill(process, SIGKILL);
    run.status();
    return check_words(run, victim, "gives no sign of life") || holds(run.out(), "final: ");
  }

  bool hang(RunOfTwo& run, int victim) {
    const pid_t process = run.rank(victim), other = run.rank(1 - victim);
    for (int i = 0; i < kTriesToHang && !has_ended(process); ++i) {
      if (!wait_until(5, [&] { return has_ended(process) || state_of(process) == "R"; })) {
        continue;
      }
      const auto begin = Clock::now();
      HeldThread held(process);
      if (!held.is_allowed()) {
        std::cout << "no right to hold a thread; killed instead\n";
        return disturb(run, Way::kKill, victim);
      }
      // The rank finds out itself: 15 seconds without time of the processor.
      if (wait_until(kLimit + 10, [&] { return has_ended(other); })) {
        take(Way::kHang, seconds_since(begin), true, run);
        EXPECT_TRUE(wait_until(kLimit, [&] { return has_ended(process); })) << "the rank that hangs lives";
        held.release();
        return check_words(run, victim, "hangs: it has done nothing for");
      }
      std::cout << "the rank was held outside of a step; it goes on\n";
    }
    return false;
  }

  void take(Way way, double seconds, bool is_over, const RunOfTwo& run) {
    EXPECT_TRUE(is_over && seconds <= kLimit) << seconds << " s\n" << run.err();
    auto& longest = longest_[static_cast<int>(way)];
    longest = std::max(longest, seconds);
  }

  // What the other rank says.
  bool check_words(RunOfTwo& run, int victim, const std::string& how) {
    const auto words = "rank " + std::to_string(victim) + " " + how;
    const bool has_checkpoint = fs::exists(file("run/checkpoint.h5"));
    const auto place = has_checkpoint ? "last good checkpoint: " + file("run/checkpoint.h5")
                                      : std::string("no checkpoint was saved");
    const auto err = run.err();
    const bool is_good = holds(err, words) && holds(err, place) && run.status() == 1;
    EXPECT_TRUE(is_good || holds(run.out(), "final: ")) << "expected: " << words << "\n" << err;
    return is_good;
  }

  void check_end() {
    for (const std::string name : {"/checkpoint.h5", "/model_best.h5"}) {
      EXPECT_EQ(checkpoint_differences(file("whole") + name, file("run") + name), std::vector<std::string>());
    }
    EXPECT_EQ(read_log_without_clock(file("whole/log.txt")), read_log_without_clock(file("run/log.txt")));
    EXPECT_EQ(read_bytes(file("whole/adjustments.csv")), read_bytes(file("run/adjustments.csv")));
    ++finished_;
    fs::remove_all(file("run"));
    is_begun_ = false;
  }

  TemporaryFolder folder_;
  int wanted_;
  std::mt19937_64 random_{std::random_device()()};
  double work_seconds_ = 0;
  bool is_begun_ = false;
  int done_ = 0, finished_ = 0;
  double longest_[3] = {0, 0, 0};
};

// BSQ_RANK_KILLS: how many; 2 of itself, a kill and a stop. A thread that is held outside of a step costs 40
// seconds a try, so hangs take a number above 2; RankWatch and StepWatch have tests of their own.
TEST(RankKills, EndTheOtherWithin30SecondsAndTheRunGoesOnBitForBit) {
  const char* wanted = std::getenv("BSQ_RANK_KILLS");
  Kills(wanted == nullptr ? 2 : std::max(1, std::atoi(wanted))).run();
}

}  // namespace
}  // namespace bsq::test
