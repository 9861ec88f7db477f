#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bsq/train/layer_watch.h"
#include "bsq/train/training_state.h"

namespace bsq::cli {

/// The rows of layers.csv: how each tensor that holds bits went through each epoch.
class LayerLog {
 public:
  /// `path`: the file that go_back_to() reads.
  explicit LayerLog(std::string path) : path_(std::move(path)) {}

  bool empty() const { return rows_.empty(); }
  /// Adds an epoch's rows. Gives a sentence on every tensor whose scale is ten times what it was at first, or
  /// has another sign; each is told once.
  std::vector<std::string> add(int64_t epoch, const std::vector<LayerRecord>& records);
  /// Keeps the rows that a state has behind it, from the file where there are none yet. Throws bsq::Error for
  /// a file that cannot be read.
  void go_back_to(const TrainingState& state);
  /// `epoch,tensor,bits,scale,mean_integer,changed_percent` and a line for each tensor and epoch.
  std::string text() const;

 private:
  void read();
  void take_scale(const std::string& tensor, double scale);

  std::string path_;
  std::vector<std::pair<int64_t, std::string>> rows_;  // epoch, line
  std::map<std::string, double> first_scales_;
  std::map<std::string, bool> is_told_;
};

}  // namespace bsq::cli
