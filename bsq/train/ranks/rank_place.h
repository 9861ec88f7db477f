#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace bsq {

/// Where a process stands among those that train together, and where they meet.
struct RankPlace {
  int64_t rank = 0, count = 1;
  int64_t local_rank = 0, local_count = 1;  ///< on this machine
  std::string host = "127.0.0.1";           ///< where the store of the meeting is
  uint16_t port = 0;
  bool is_store_elsewhere = false;  ///< a launcher keeps the store, not rank 0
  std::string prefix;               ///< of the store's keys
};

/// A variable of the environment; null: not set.
using Environment = std::function<const char*(const char* name)>;

/// The place that a launcher gives through the environment: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE,
/// MASTER_ADDR, MASTER_PORT as torchrun sets them; where RANK is missing, what Open MPI's mpirun
/// (OMPI_COMM_WORLD_*) or a step of Slurm's srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS, ...) sets. MASTER_ADDR
/// and MASTER_PORT may be missing: within one machine, and of a Slurm step, its first node and a port of the
/// job's own are taken. Nothing where no launcher is at work or there is only one process. Throws bsq::Error
/// for variables that make no sense.
std::optional<RankPlace> rank_place(const Environment& environment);
/// Of this process's environment.
std::optional<RankPlace> rank_place();

/// The first host of Slurm's short form: "node07" of "node[07-09,12],other". Throws bsq::Error.
std::string first_host(const std::string& nodes);

}  // namespace bsq
