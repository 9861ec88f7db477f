#include "tools/cli/ranks.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iostream>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "bsq/base/error.h"
#include "bsq/io/text_file.h"
#include "tools/cli/notice.h"
#include "tools/cli/program_name.h"
#include "tools/cli/signals.h"

namespace bsq::cli {
namespace {

constexpr std::chrono::milliseconds kLook{50};
constexpr std::chrono::seconds kPatience{28};  // the others find a lost rank by themselves before

// The environment with other values of these variables.
std::vector<std::string> environment_with(const std::map<std::string, std::string>& values) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (values.count(text.substr(0, text.find('='))) == 0) {
      entries.push_back(text);
    }
  }
  for (const auto& [name, value] : values) {
    entries.push_back(name + "=" + value);
  }
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

std::map<std::string, std::string> place_variables(int64_t rank, int64_t count, uint16_t port) {
  return {{"RANK", std::to_string(rank)},        {"LOCAL_RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(count)}, {"LOCAL_WORLD_SIZE", std::to_string(count)},
          {"MASTER_ADDR", "127.0.0.1"},          {"MASTER_PORT", std::to_string(port)},
          {"BSQ_MEETING_POINT", "launcher"},     {"TORCHELASTIC_USE_AGENT_STORE", ""}};
}

// In a process group of its own: what the terminal sends comes by way of the parent, once. A rank does not
// outlive its parent.
pid_t start_rank(int64_t rank, int64_t count, uint16_t port) {
  auto arguments = called_words();
  auto environment = environment_with(place_variables(rank, count, port));
  const auto argument_list = pointers(arguments);
  const auto environment_list = pointers(environment);
  const pid_t child = fork();
  if (child < 0) {
    throw Error(std::string("cannot start a rank: ") + std::strerror(errno));
  }
  if (child == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execve("/proc/self/exe", argument_list.data(), environment_list.data());
    _exit(127);
  }
  return child;
}

int status_of(int64_t rank, int status) {
  if (WIFEXITED(status)) {
    return WEXITSTATUS(status);
  }
  notice("rank " + std::to_string(rank) + " was ended by signal " + std::to_string(WTERMSIG(status)));
  return 1;
}

void send_all(const std::vector<pid_t>& children, int signal) {
  for (const pid_t child : children) {
    if (child > 0) {
      kill(child, signal);
    }
  }
}

// Whether a rank ended otherwise than by itself: done, or stopped with its state saved.
bool is_failure(int status) { return status != 0 && status < 128; }

// Waits for all, and hands on a signal to stop, once. Ranks that have not even met look after nobody, so what
// is left a while after one has failed is killed.
std::vector<int> wait_for(std::vector<pid_t> children) {
  std::vector<int> statuses(children.size(), 0);
  bool is_handed_on = false;
  using Clock = std::chrono::steady_clock;
  constexpr auto kNever = Clock::time_point::max();
  auto kill_at = kNever;
  for (size_t left = children.size(); left > 0;) {
    if (stop_status() != 0 && !is_handed_on) {
      is_handed_on = true;
      send_all(children, stop_status() - 128);
    }
    if (Clock::now() > kill_at) {
      kill_at = kNever;
      send_all(children, SIGKILL);
    }
    int status = 0;
    const pid_t ended = waitpid(-1, &status, WNOHANG);
    const auto found = std::find(children.begin(), children.end(), ended);
    if (ended <= 0 || found == children.end()) {
      std::this_thread::sleep_for(kLook);
      continue;
    }
    const auto rank = found - children.begin();
    statuses[static_cast<size_t>(rank)] = status_of(rank, status);
    if (is_failure(statuses[static_cast<size_t>(rank)])) {
      kill_at = Clock::now() + kPatience;
    }
    *found = 0;
    --left;
  }
  return statuses;
}

void end_for_lost_rank(int64_t lost, const std::string& how, const std::string& folder) {
  const auto file = folder + "/checkpoint.h5";
  const auto who = lost < 0 ? std::string("the launcher") : "rank " + std::to_string(lost);
  complain(who + " " + how +
           (is_there(file) ? "; last good checkpoint: " + file : "; no checkpoint was saved"));
  _exit(1);
}

void close_stdout() {
  std::cout.flush();
  const int none = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (none >= 0) {
    dup2(none, STDOUT_FILENO);
    ::close(none);
  }
}

std::unique_ptr<JoinedRanks> join(const std::optional<RankPlace>& place, torch::Device device,
                                  const std::string& folder) {
  if (!place) {
    return nullptr;
  }
  const int64_t own = place->rank;
  if (own != 0) {
    close_stdout();
  }
  speak_as_rank(own);
  return JoinedRanks::join(*place, device, [folder](int64_t lost, const std::string& how) {
    end_for_lost_rank(lost, how, folder);
  });
}

}  // namespace

int start_ranks(int64_t count) {
  const auto meeting = MeetingPoint::open();
  watch_signals();
  stop_by_request();
  std::vector<pid_t> children;
  for (int64_t rank = 0; rank < count; ++rank) {
    children.push_back(start_rank(rank, count, meeting->port()));
  }
  const auto statuses = wait_for(children);
  const auto bad = std::find_if(statuses.begin(), statuses.end(), [](int status) { return status != 0; });
  return bad == statuses.end() ? 0 : *bad;
}

SessionRanks::SessionRanks(const std::optional<RankPlace>& place, torch::Device device,
                           const std::string& folder)
    : joined_(join(place, device, folder)), scope_(joined_.get()) {}

void SessionRanks::fail(const std::string& why) {
  if (joined_) {
    joined_->fail(why.substr(0, why.find('\n')));
  }
}

bool is_first_rank() { return current_ranks() == nullptr || current_ranks()->rank() == 0; }

void wait_for_ranks() {
  if (auto* ranks = current_ranks()) {
    ranks->gather(torch::zeros({1}, torch::kFloat64));
  }
}

int agreed_status(int own) {
  auto* ranks = current_ranks();
  return ranks == nullptr
             ? own
             : static_cast<int>(largest(*ranks, torch::tensor({static_cast<double>(own)}, torch::kFloat64))
                                    .item<double>());
}

}  // namespace bsq::cli
