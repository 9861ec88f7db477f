#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bsq/io/checkpoint/checkpoint.h"
#include "tools/sweep/job.h"

namespace bsq::cli {

/// What a point came to, from its run folders; NaN where it has not come so far.
struct PointResult {
  double comp = std::nan("");
  double comp_stored = std::nan("");
  double trained_top1 = std::nan("");  ///< after bsq_train, percent; of float training the best epoch's
  double top1 = std::nan("");          ///< after finetuning, percent
  double loss = std::nan("");          ///< cross entropy on the evaluation split of the epoch that is kept
  double seconds = 0;                  ///< of training, all stages
  std::vector<std::pair<std::string, int64_t>> bits;  ///< tensor to width; 0: all its weights are 0
};

/// Reads the stages that are finished. comp, comp_stored and bits are those of the frozen scheme, in which
/// layers without a digit have 0 bits. Throws bsq::Error for broken files.
PointResult read_result(const Job& job);

/// Widths that a model in bits has once its scheme is frozen, in the network's order.
std::vector<std::pair<std::string, int64_t>> frozen_bits(const Checkpoint& file);

/// comp and comp_stored of a model once its scheme is frozen; 1 for a float one.
std::pair<double, double> frozen_sizes(const Checkpoint& file);

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
