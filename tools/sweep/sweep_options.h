#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/cli/command_line.h"
#include "tools/sweep/grid.h"
#include "tools/sweep/settings.h"

namespace bsq::cli {

/// sweep's options as they are written.
struct SweepFlags {
  std::vector<std::string> alpha;
  std::vector<std::string> targets;
  std::vector<std::string> seed = {"1234"};
  OptionLines vary;
  std::vector<std::string> fixed_bits;
  bool snapshots = false;
  std::optional<double> target_comp;
  double tolerance = 5;  ///< percent
  int64_t max_runs = 10;
  std::string preset;
  std::string model;
  std::optional<std::string> dataset;
  std::optional<std::string> data;
  OptionLines train, finetune, both;
  int64_t jobs = 0;
  int64_t threads = 0;
  std::string launcher = "local";
  std::string sbatch;
  std::string folder = "checkpoints/sweep";
};

/// Everything that sweep can be told.
struct SweepOptions {
  std::vector<Axis> axes;             ///< alpha, the seed, what --vary names
  std::vector<std::string> fixed;     ///< --fixed-bits: bit widths of baselines
  bool snapshots = false;             ///< finetune the network of each adjustment too
  std::optional<double> target_comp;  ///< then alpha is no axis
  double tolerance = 0.05;            ///< of target_comp, a fraction
  int max_runs = 10;
  std::string preset;  ///< PREFIX of PREFIX-float.cfg, PREFIX-bsq.cfg, PREFIX-finetune.cfg
  std::string model;   ///< "": float training comes first
  Settings both, train, finetune;
  int64_t jobs = 0;                 ///< runs at once; 0: one a core, with Slurm what the queue lets run
  int64_t threads = 0;              ///< of each; 0: the cores divided, with Slurm those of a task
  bool uses_slurm = false;          ///< else child processes run the points
  std::vector<std::string> sbatch;  ///< more options of sbatch
  std::string folder;
};

/// Adds sweep's options, which fill `flags`; both have to live until the line is parsed.
void add_options(CommandLine& line, SweepFlags& flags);
/// The line of sweep, without options.
CommandLine sweep_command_line();

/// Throws OptionError, HelpRequest and, for files, bsq::Error.
SweepOptions parse_sweep_options(int argc, const char* const* argv);

}  // namespace bsq::cli
