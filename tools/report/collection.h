#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/report/run_record.h"

namespace bsq::cli {

/// One model of a report: runs that follow each other. None: nothing of it can be read yet.
struct ReportPoint {
  std::string name;   ///< unique
  std::string label;  ///< short, for plots: "0.05" for alpha, "4 bit"; a name where several have it
  std::map<std::string, std::string> flags;  ///< the values that a sweep gave it
  std::string status;                        ///< done, failed, stopped, running, waiting, ...
  std::string error;
  std::vector<RunRecord> runs;
  std::vector<std::string> commands;  ///< that make it again
  std::string seed;                   ///< "": unknown
  std::string twins;                  ///< the same for points that differ only in the seed; "": unknown

  /// The run whose model the point stands for, the last one; nullptr: none yet.
  const RunRecord* model() const { return runs.empty() ? nullptr : &runs.back(); }
  double comp() const;
  double comp_stored() const;
  /// Accuracy, percent, of that model.
  double top1() const;
  /// Accuracy of the model that the last run started from; NaN where there is one run only.
  double top1_before() const;
  /// Of training, all runs.
  double seconds() const;
  /// The methods of its runs: "bsq → frozen"; "–" where there is no run.
  std::string method() const;
};

/// Points that differ only in the seed.
struct SeedGroup {
  std::string label;           ///< what they have in common
  std::vector<size_t> points;  ///< indices of two or more
};

/// What some folders hold.
struct Collection {
  std::vector<ReportPoint> points;
  std::vector<SeedGroup> seeds;         ///< of points that are done
  bool is_running = false;              ///< somebody works on one of the runs or sweeps
  std::vector<std::string> damage;      ///< a line for every run or sweep that cannot be read
  std::vector<std::string> fallbacks;   ///< a line for every run of which something stands for something else
  std::vector<std::string> unmeasured;  ///< a line for every model without a latency, where it was asked for
};

/// Reads run folders, sweeps' folders, and folders of runs, as far as they are. A run that keeps the bit
/// widths of the model that it started from makes one point with the run which made that model, where that is
/// among them. A run or sweep that cannot be read is a failed point, and so is a folder without runs where
/// there are others. One that nobody works on is "stopped". Throws bsq::Error where there is no run at all.
Collection collect(const std::vector<std::string>& folders);

/// Whether nothing more is to come of a point.
bool is_settled(const ReportPoint& point);

}  // namespace bsq::cli
