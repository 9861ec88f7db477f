#pragma once

#include <string>
#include <vector>

#include "bsq/methods/bsq/adjustment_log.h"
#include "bsq/nn/network.h"
#include "bsq/train/training_state.h"

namespace bsq::cli {

/// The precision adjustments of a run, as adjustments.csv holds them.
class AdjustmentRecord {
 public:
  /// `path`: the file that go_back_to reads.
  explicit AdjustmentRecord(std::string path) : path_(std::move(path)) {}

  bool empty() const { return adjustments_.empty(); }
  /// The widths that a network has now.
  void add(int64_t epoch, Network& network);
  /// Keeps those that a state has behind it, from the file where there is none yet; what came after comes
  /// again. Throws bsq::Error for a file that cannot be read.
  void go_back_to(const TrainingState& state);
  std::string text() const { return adjustment_log_text(adjustments_); }

 private:
  std::string path_;
  std::vector<Adjustment> adjustments_;
};

}  // namespace bsq::cli
