#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bsq/io/run_summary.h"
#include "bsq/methods/bsq/adjustment_log.h"
#include "bsq/train/run_log.h"

namespace bsq::cli {

/// How the weights of one tensor look. Empty lists: nothing to show.
struct TensorPicture {
  std::string name;
  std::vector<double> ones;       ///< percent of weights with a non-zero digit, most significant plane first
  double low = 0, high = 0;       ///< smallest and largest weight
  std::vector<double> histogram;  ///< weights in equal buckets from low to high
};

/// What one run folder tells.
struct RunRecord {
  std::string folder;
  RunSummary summary;
  RunLog log;                   ///< every n-th epoch where there are thousands
  std::vector<int64_t> epochs;  ///< of the log's lines, the first of the run is 0
  int64_t rows = 0;             ///< epochs of the whole log
  std::vector<std::pair<std::string, std::string>> configuration;  ///< config.cfg; empty: there is none
  std::vector<Adjustment> adjustments;                             ///< every n-th where there are hundreds
  std::vector<TensorPicture> pictures;  ///< of 200 tensors that hold bits; where none does, of float weights
  std::string note;                     ///< what could not be read and what stands for it; "": all is well
  std::optional<double> latency_ms;     ///< of the model to use, in the integer engine; nothing: not measured
  uint64_t bytes = 0;                   ///< of the model file; 0 where it also holds the state of a run
};

/// Reads summary, history, adjustments and the model to use. Where the summary or its model is damaged, all
/// comes from the checkpoints, from checkpoint.prev.h5 where checkpoint.h5 is damaged. A run that goes on is
/// read as far as it is. Only regular files are read, texts of 1 (config.cfg), 8 (adjustments.csv), 16
/// (summary.json) and 32 MiB (log.txt) at most. Throws bsq::Error for broken files.
RunRecord read_run(const std::string& folder);

}  // namespace bsq::cli
