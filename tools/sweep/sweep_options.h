#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/sweep/grid.h"
#include "tools/sweep/settings.h"

namespace bsq::cli {

/// Everything that sweep can be told.
struct SweepOptions {
  std::vector<Axis> axes;             ///< alpha (as --decay), the seed (as --manualSeed), what --vary names
  std::vector<std::string> fixed;     ///< --fixed-bits: widths of baselines
  std::optional<double> target_comp;  ///< then alpha is no axis
  double tolerance = 0.05;            ///< of target_comp, a fraction
  int max_runs = 10;
  std::string preset;  ///< PREFIX of PREFIX-float.cfg, PREFIX-bsq.cfg, PREFIX-finetune.cfg
  std::string model;   ///< "": float training comes first
  Settings both, train, finetune;
  int64_t jobs = 0;     ///< runs at once; 0: one a core
  int64_t threads = 0;  ///< of each; 0: the cores divided
  std::string folder;
};

/// Throws UsageError, HelpRequest and, for files, bsq::Error.
SweepOptions parse_sweep_options(int argc, const char* const* argv);

}  // namespace bsq::cli
