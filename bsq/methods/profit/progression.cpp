#include "bsq/methods/profit/progression.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace bsq {
namespace {

void check_steps(const char* noun, const std::vector<int64_t>& steps) {
  const bool falls = std::adjacent_find(steps.begin(), steps.end(), std::less_equal<>()) == steps.end();
  if (steps.empty() || !falls) {
    throw std::invalid_argument(std::string(noun) + " steps: expected bit widths that fall");
  }
}

// Puts phases one behind the other.
class Writer {
 public:
  explicit Writer(const ProgressionOptions& options) : options_(options) {}

  void add(Phase phase, int64_t epochs, bool warms_up = false) {
    phase.begin = next_;
    phase.epochs = scaled(epochs);
    phase.warmup = warms_up ? std::min(part_of(options_.warmup_epochs), phase.epochs - 1) : 0;
    if (phase.epochs > 0) {
      next_ += phase.epochs;
      phases_.push_back(phase);
    }
  }

  void stabilize(Phase phase) {
    phase.kind = PhaseKind::kStabilize;
    add(phase, options_.stabilize_epochs);
  }
  void tune(Phase phase, int64_t frozen_thirds = 0) {
    phase.kind = PhaseKind::kTune;
    phase.frozen_thirds = frozen_thirds;
    add(phase, options_.tune_epochs, /*warms_up=*/true);
  }
  void sample(Phase phase) {
    phase.kind = PhaseKind::kSample;
    add(phase, options_.sample_epochs);
  }

  std::vector<Phase> phases() const { return phases_; }

 private:
  int64_t part_of(int64_t epochs) const { return std::llround(options_.scale * static_cast<double>(epochs)); }
  int64_t scaled(int64_t epochs) const { return epochs == 0 ? 0 : std::max<int64_t>(part_of(epochs), 1); }

  ProgressionOptions options_;
  std::vector<Phase> phases_;
  int64_t next_ = 0;
};

void add_last_step(Writer& writer, Phase phase) {
  writer.stabilize(phase);
  writer.sample(phase);
  for (const int64_t thirds : {0, 1, 2}) {
    writer.tune(phase, thirds);
  }
  phase.frozen_thirds = 2;
  writer.stabilize(phase);
}

std::string bits_text(const char* noun, int64_t bits) {
  return std::string(noun) + (bits == 0 ? " float" : " at " + std::to_string(bits) + " bits");
}

const char* text_of(PhaseKind kind) {
  switch (kind) {
    case PhaseKind::kFloat:
      return "float training";
    case PhaseKind::kStabilize:
      return "stabilizing, weights rest";
    case PhaseKind::kTune:
      return "tuning";
    case PhaseKind::kSample:
      return "measuring the instability of convolutions";
  }
  return "";
}

}  // namespace

std::vector<Phase> progression(const ProgressionOptions& options) {
  check_steps("activation", options.activation_steps);
  check_steps("weight", options.weight_steps);
  Writer writer(options);
  writer.add({}, options.float_epochs, /*warms_up=*/true);
  Phase phase;
  for (const int64_t bits : options.activation_steps) {
    phase.activation_bits = bits;
    if (bits > 0) {
      writer.stabilize(phase);
      writer.tune(phase);
      writer.stabilize(phase);
    }
  }
  for (const int64_t bits : options.weight_steps) {
    phase.weight_bits = bits;
    phase.is_last_step = bits == options.weight_steps.back();
    if (phase.is_last_step) {
      add_last_step(writer, phase);
      break;
    }
    writer.stabilize(phase);
    writer.tune(phase);
    writer.stabilize(phase);
  }
  return writer.phases();
}

double profit_rate(int64_t epoch, int64_t warmup, int64_t epochs) {
  constexpr double kPi = 3.14159265358979323846;
  if (epoch < warmup) {
    return 0.1 + 0.9 * static_cast<double>(epoch) / static_cast<double>(warmup);
  }
  const double part = static_cast<double>(epoch - warmup) / static_cast<double>(epochs - warmup);
  return 0.001 + 0.999 * (1 + std::cos(kPi * part)) / 2;
}

std::string text_of(const Phase& phase) {
  auto text = bits_text("weights", phase.weight_bits) + ", " +
              bits_text("activations", phase.activation_bits) + ", " + text_of(phase.kind);
  if (phase.frozen_thirds > 0) {
    text += phase.frozen_thirds == 1 ? ", a third frozen" : ", two thirds frozen";
  }
  return text;
}

}  // namespace bsq
