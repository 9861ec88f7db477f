#include "bsq/train/ranks/rank_place.h"

#include <cstdlib>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr int64_t kMostRanks = 1 << 16;
constexpr int64_t kLastPort = 65535;
constexpr int64_t kUsualPort = 29500;  // torchrun's
// Ports of our own, below torchrun's and those that Linux gives to outgoing connections.
constexpr int64_t kFirstPort = 20000, kPorts = 9000;

/// Names of the variables of one launcher.
struct Launcher {
  const char *rank, *count, *local_rank, *local_count;
};
constexpr Launcher kTorchrun{"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Launcher kOpenMpi{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
                            "OMPI_COMM_WORLD_LOCAL_SIZE"};
// Set in a step alone; in a batch script nobody has started the other ranks.
constexpr Launcher kSlurm{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
                          "SLURM_STEP_TASKS_PER_NODE"};

std::string text_of(const Environment& environment, const char* name) {
  const char* text = environment(name);
  return text == nullptr ? "" : text;
}

int64_t integer(const char* name, const std::string& text, int64_t low, int64_t high) {
  char* end = nullptr;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || number < low || number > high) {
    throw Error(std::string("the environment's ") + name + " is '" + text + "'; expected " +
                std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

int64_t integer_or(const Environment& environment, const char* name, int64_t otherwise, int64_t low,
                   int64_t high) {
  const auto text = text_of(environment, name);
  return text.empty() ? otherwise : integer(name, text, low, high);
}

// "2(x3)" and "2,1" of Slurm: the tasks of each node. The first number is that of the first node.
std::string first_number(const std::string& text) { return text.substr(0, text.find_first_of("(,")); }

const Launcher* launcher_of(const Environment& environment) {
  for (const auto* launcher : {&kTorchrun, &kOpenMpi, &kSlurm}) {
    if (environment(launcher->rank) != nullptr && environment(launcher->count) != nullptr) {
      return launcher;
    }
  }
  return nullptr;
}

RankPlace place_by(const Launcher& launcher, const Environment& environment) {
  RankPlace place;
  place.count = integer(launcher.count, text_of(environment, launcher.count), 1, kMostRanks);
  place.rank = integer(launcher.rank, text_of(environment, launcher.rank), 0, place.count - 1);
  place.local_rank = integer_or(environment, launcher.local_rank, place.rank, 0, place.count - 1);
  const auto local = first_number(text_of(environment, launcher.local_count));
  place.local_count = local.empty() ? place.count : integer(launcher.local_count, local, 1, place.count);
  return place;
}

// Of a Slurm step: the first of its nodes, and a port that no other job takes, most likely.
void meet_in_slurm(RankPlace& place, const Environment& environment) {
  auto nodes = text_of(environment, "SLURM_STEP_NODELIST");
  if (nodes.empty()) {
    nodes = text_of(environment, "SLURM_JOB_NODELIST");
  }
  if (!nodes.empty()) {
    place.host = first_host(nodes);
  }
  const int64_t job = integer_or(environment, "SLURM_JOB_ID", 0, 0, int64_t{1} << 40);
  const int64_t step = integer_or(environment, "SLURM_STEP_ID", 0, 0, int64_t{1} << 40);
  place.port = static_cast<uint16_t>(kFirstPort + (job * 16 + step) % kPorts);
}

// A port that follows from `port` and is another. Those of neighbouring ports lie far apart, so that
// torchruns at 29500 and 29501 do not meet.
uint16_t other_port(int64_t port) {
  constexpr int64_t kStride = 7919;  // has no factor in common with kPorts
  const int64_t own = kFirstPort + port * kStride % kPorts;
  return static_cast<uint16_t>(own == port ? own + 1 : own);
}

}  // namespace

std::string first_host(const std::string& nodes) {
  const auto bracket = nodes.find_first_of("[,");
  if (bracket == std::string::npos || nodes[bracket] == ',') {
    return nodes.substr(0, bracket);
  }
  const auto end = nodes.find_first_of("-,]", bracket + 1);
  const auto close = nodes.find(']', bracket);
  if (end == std::string::npos || close == std::string::npos || end == bracket + 1) {
    throw Error("the list of nodes '" + nodes + "' is malformed");
  }
  const auto rest = nodes.substr(close + 1, nodes.find(',', close) - close - 1);
  return nodes.substr(0, bracket) + nodes.substr(bracket + 1, end - bracket - 1) + rest;
}

std::optional<RankPlace> rank_place(const Environment& environment) {
  const auto* launcher = launcher_of(environment);
  if (launcher == nullptr) {
    return std::nullopt;
  }
  auto place = place_by(*launcher, environment);
  if (place.count == 1) {
    return std::nullopt;
  }
  place.port = static_cast<uint16_t>(kUsualPort);
  if (launcher == &kSlurm) {
    meet_in_slurm(place, environment);
  }
  if (const auto host = text_of(environment, "MASTER_ADDR"); !host.empty()) {
    place.host = host;
  } else if (launcher != &kSlurm && place.local_count < place.count) {
    throw Error("the environment has no MASTER_ADDR; expected the host of rank 0, as ranks are on several");
  }
  place.port = static_cast<uint16_t>(integer_or(environment, "MASTER_PORT", place.port, 1, kLastPort));
  place.is_store_elsewhere = text_of(environment, "BSQ_MEETING_POINT") == "launcher";
  if (text_of(environment, "TORCHELASTIC_USE_AGENT_STORE") == "True") {
    // torchrun's own store is at MASTER_PORT. Another version of libtorch does not speak its language.
    place.port = other_port(place.port);
    place.prefix = "bsq/attempt_" +
                   std::to_string(integer_or(environment, "TORCHELASTIC_RESTART_COUNT", 0, 0, kMostRanks));
  }
  return place;
}

std::optional<RankPlace> rank_place() {
  return rank_place([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace bsq
