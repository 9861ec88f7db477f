#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bsq {

/// What a step of an optimizer is made with.
struct StepSettings {
  double learning_rate = 0;
  double momentum = 0;
  double weight_decay = 0;
};

/// The settings of the optimizer from a point of the run on. What a phase does not name stays as it was.
struct TrainingPhase {
  int64_t begin = 0;      ///< an epoch or a step of the whole run, counted from 0
  bool in_steps = false;  ///< which of the two
  std::optional<double> rate;
  /// The rate goes along a line from `rate` to this one, which the next phase's first step would have; in the
  /// last phase the step after the run's end.
  std::optional<double> end_rate;
  std::optional<double> momentum, weight_decay;
};

/// Where a step stands in its run.
struct StepPlace {
  int64_t step = 0;         ///< of the whole run, counted from 0
  int64_t epoch_steps = 1;  ///< of an epoch
  int64_t epochs = 1;       ///< of the run
};

/// Reads "BEGIN:NAME=VALUE", with more ":NAME=VALUE" behind it: "122:lr=1e-3:wd=0". BEGIN is an epoch, or a
/// step with an 's' behind it, "25020s". NAME is lr (0 to 1e6), momentum (0 to 1) or wd (0 to 1e6), each once
/// at most; a rate may be "A..B", from A to B along a line. Throws std::invalid_argument for another text.
TrainingPhase training_phase_of(const std::string& text);

/// All of a list. Throws std::invalid_argument also where a phase does not begin after the one before it;
/// epochs and steps are compared where the run's length is known, in settings_at().
std::vector<TrainingPhase> training_phases_of(const std::vector<std::string>& texts);

/// The settings of a step: `base`, as the phases that have begun change it, in their order. Throws
/// std::invalid_argument where a phase does not begin after the one before it.
StepSettings settings_at(const std::vector<TrainingPhase>& phases, const StepSettings& base,
                         const StepPlace& place);

}  // namespace bsq
