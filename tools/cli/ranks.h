#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bsq/base/ranks.h"
#include "bsq/train/ranks/joined_ranks.h"
#include "bsq/train/ranks/rank_place.h"

namespace bsq::cli {

/// Runs this program again, with the same arguments, as so many processes on this machine, which train
/// together, and waits for them. A signal to stop goes to all. Gives the exit status: that of rank 0 or,
/// where that is 0, the first other one. Throws bsq::Error.
int start_ranks(int64_t count);

/// The other ranks of this program's run, as long as the object lives. Rank 0 alone has a stdout and gives
/// notices. A lost rank ends the process with status 1 and a line that names it and the last checkpoint.
class SessionRanks {
 public:
  /// Joins where there is a place. `folder`: of the run. Throws bsq::Error.
  SessionRanks(const std::optional<RankPlace>& place, torch::Device device, const std::string& folder);

  /// The others learn that this process ends with an error.
  void fail(const std::string& why);

 private:
  std::unique_ptr<JoinedRanks> joined_;
  RanksScope scope_;
};

/// Whether this process is the one that prints and writes files.
bool is_first_rank();
/// Waits until all ranks have come here.
void wait_for_ranks();
/// The largest of the ranks' statuses.
int agreed_status(int own);

}  // namespace bsq::cli
