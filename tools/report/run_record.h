#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/bsq/adjustment_log.h"

namespace bsq::cli {

constexpr int64_t kFloatBits = 32;

/// One tensor of a run's model: one that holds bits, or float weights, of kFloatBits.
struct TensorRecord {
  std::string name;
  std::vector<int64_t> shape;
  int64_t weights = 0;
  int64_t bits = 0;               ///< 0: all its weights are 0
  std::vector<double> ones;       ///< percent of weights with a non-zero digit, most significant plane first
  double low = 0, high = 0;       ///< smallest and largest weight
  std::vector<double> histogram;  ///< weights in equal buckets from low to high

  /// What a file needs for the weights: n bits and a sign each, nothing for 0 bits. The scale counts
  /// elsewhere.
  int64_t stored_bits() const;
};

enum class RunKind { kFloat, kBits, kFinetune };

/// What one run folder tells.
struct RunRecord {
  std::string folder;
  RunKind kind = RunKind::kFloat;
  double last_top1 = std::nan("");  ///< after the last epoch; top1 is that of the model shown
  double top1 = std::nan(""), comp = std::nan(""), comp_stored = std::nan("");
  std::vector<std::string> columns;          ///< of history
  std::vector<std::vector<double>> history;  ///< a row an epoch
  std::vector<Adjustment> adjustments;
  std::vector<TensorRecord> tensors;        ///< that hold bits; of a float network all weights
  std::vector<TensorRecord> float_tensors;  ///< beside them: weights that stay float, without histograms
  int64_t other_floats = 0;   ///< numbers in none of these: normalization, float biases, ranges, scales
  std::string configuration;  ///< INI
  bool is_over = false;       ///< all its epochs are done, and what comes after them
  std::string note;           ///< why checkpoint.prev.h5 stands for checkpoint.h5; "" where it does not
  uint64_t bytes = 0;         ///< of the model file; 0 where it also holds the state of a run

  /// A column of the history by its name, empty where there is none.
  std::vector<double> column(const std::string& name) const;
  /// A flag of the configuration; "" where it does not say.
  std::string flag(const std::string& name) const;
  /// What a file needs for the whole model, as comp_stored counts.
  int64_t stored_bits() const;
};

/// Whether a folder holds a run's files.
bool is_run_folder(const std::string& folder);
/// Reads the model that the run has for use (best_bin.h5, of a float run model_best.h5, else checkpoint.h5),
/// its history and adjustments; checkpoint.prev.h5 where checkpoint.h5 is damaged. A run that goes on is read
/// as far as it is. Throws bsq::Error for broken files.
RunRecord read_run(const std::string& folder);

}  // namespace bsq::cli
