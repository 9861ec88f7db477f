#pragma once

#include <optional>
#include <vector>

#include "tools/sweep/job.h"
#include "tools/sweep/sweep_options.h"

namespace bsq::cli {

/// What a sweep runs: presets, the sweep's own flags and a point's values put together.
class Plan {
 public:
  /// Reads the presets. Throws bsq::Error for a file that cannot be read, and for a model in bits where fixed
  /// widths are asked for.
  explicit Plan(const SweepOptions& options);

  /// Where no model is given: the training of a float network, which comes first.
  std::optional<Job> float_training() const;
  /// bsq_train, then finetune, at these values.
  Job point(const PointValues& values) const;
  /// The finetuning of each snapshot that a point's bsq_train has left, by epoch.
  std::vector<Job> snapshots(const Job& point) const;
  /// All that a grid runs: its points, then the baselines of fixed width.
  std::vector<Job> grid() const;
  /// The baselines.
  std::vector<Job> baselines() const;
  /// Where a search begins: the preset's alpha.
  double first_alpha() const;
  /// The first value of every axis.
  PointValues first_values() const;

 private:
  Job fixed_point(const std::string& bits, const std::string& seed) const;
  Stage finetuning(const Job& job, const std::string& model) const;
  std::string seed_of(const PointValues& values) const;

  SweepOptions options_;
  Settings float_, train_, finetune_;
  std::string model_;
};

/// Throws UsageError where a stage's own program would refuse its command line.
void check_commands(const Job& job);

/// Throws UsageError where two points would have the same folder.
void check_names(const std::vector<Job>& jobs);

}  // namespace bsq::cli
