#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tools/sweep/job.h"

namespace bsq::cli {

/// What a point came to, from its run folders; NaN where it has not come so far.
struct PointResult {
  double comp = std::nan("");
  double comp_stored = std::nan("");
  double trained_top1 = std::nan("");                 ///< percent, of the model that the first stage hands on
  double top1 = std::nan("");                         ///< percent, after the second stage
  double loss = std::nan("");                         ///< cross entropy of the model to use
  double seconds = 0;                                 ///< of training, all stages
  std::vector<std::pair<std::string, int64_t>> bits;  ///< tensor to bit width; 0: all its weights are 0
};

/// Reads the summaries of the stages that are finished. Throws bsq::Error for one that is broken, and for a
/// model file that is damaged.
PointResult read_result(const Job& job);

/// A point with its result.
struct Entry {
  Job job;
  PointResult result;
};

/// results.csv: one line a point, which begins with its name, then the flags that any point has, empty where
/// this one has none. Holds nothing that depends on the clock, so that interrupted sweeps give the same file.
std::string csv_of(const std::vector<Entry>& entries);
/// results.json: the same with the seconds, the commands and what failed.
nlohmann::json json_of(const std::vector<Entry>& entries);
/// A number; null where it is not finite.
nlohmann::json number_json(double value);

}  // namespace bsq::cli
