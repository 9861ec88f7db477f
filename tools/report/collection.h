#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/report/run_record.h"

namespace bsq::cli {

enum class PointKind { kBsq, kFixed, kFloat, kUnknown };

/// One model of a report: a training run and the finetuning that followed it, either of which may be missing.
struct ReportPoint {
  std::string name;   ///< unique
  std::string label;  ///< short, for plots: "0.05" for alpha, "4 bit", "float"
  PointKind kind = PointKind::kBsq;
  std::string alpha;   ///< "" where there is none
  std::string status;  ///< done, failed, running, waiting, ...
  std::string error;
  std::optional<RunRecord> trained, finetuned;
  std::vector<std::string> commands;  ///< that make it again

  /// The run whose model the point stands for: the finetuned one where it is there; nullptr: none yet.
  const RunRecord* model() const;
  double comp() const;
  double comp_stored() const;
  /// Accuracy, percent, of that model.
  double top1() const;
};

/// What some folders hold.
struct Collection {
  std::vector<ReportPoint> points;
  bool is_running = false;             ///< one of the runs or sweeps has not come to its end
  std::vector<std::string> damage;     ///< a line for every run or sweep that cannot be read
  std::vector<std::string> fallbacks;  ///< a line for every run read from checkpoint.prev.h5
};

/// Reads run folders, sweeps' folders, and folders of runs, as far as they are. A finetuning whose model came
/// from another run among them makes one point with it. A run or sweep that cannot be read is a failed point.
/// Throws bsq::Error for a folder without runs.
Collection collect(const std::vector<std::string>& folders);

/// Whether nothing more is to come of a point.
bool is_settled(const ReportPoint& point);

}  // namespace bsq::cli
