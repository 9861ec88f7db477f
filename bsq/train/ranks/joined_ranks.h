#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <string>

#include "bsq/base/ranks.h"
#include "bsq/train/ranks/rank_place.h"
#include "bsq/train/ranks/rank_watch.h"

namespace bsq {

/// The ranks of a run, joined through libtorch's c10d: a TCPStore to meet at, Gloo for tensors on the CPU,
/// NCCL for those on a GPU where this libtorch has it (else they go through the CPU).
class JoinedRanks : public Ranks {
 public:
  /// What ended another rank. See RankWatch::Lost.
  using Lost = RankWatch::Lost;

  /// Meets the others and waits for them, some minutes at most. `lost` is called on another thread when a
  /// rank is lost; the operation that waits for it cannot be ended, so it should end the process. Throws
  /// bsq::Error where the others do not come or this libtorch has no Gloo that can be reached.
  static std::unique_ptr<JoinedRanks> join(const RankPlace& place, torch::Device device, Lost lost);

  /// This rank ends with an error: the others learn why and end too.
  virtual void fail(const std::string& why) = 0;
};

/// The store at which the ranks of this machine meet, for a process that starts them. It lives as long as the
/// object.
class MeetingPoint {
 public:
  virtual ~MeetingPoint() = default;
  /// Throws bsq::Error.
  static std::unique_ptr<MeetingPoint> open();
  virtual uint16_t port() const = 0;
};

}  // namespace bsq
