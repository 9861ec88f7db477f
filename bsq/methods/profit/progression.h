#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsq {

/// Bit widths, falling, and lengths in epochs of PROFIT's progression.
struct ProgressionOptions {
  std::vector<int64_t> activation_steps = {8, 5, 4};  ///< {0}: activations stay as they are
  std::vector<int64_t> weight_steps = {8, 5, 4};
  int64_t float_epochs = 15;
  int64_t tune_epochs = 15;
  int64_t stabilize_epochs = 5;
  int64_t sample_epochs = 5;
  int64_t warmup_epochs = 3;
  double scale = 1;  ///< multiplies every length; what is not 0 stays at least 1, but for the warm-up
};

/// What a phase trains.
enum class PhaseKind {
  kFloat,      ///< everything, nothing is quantized
  kStabilize,  ///< all but the weights
  kTune,       ///< everything but frozen weights
  kSample      ///< everything, at a constant rate, and the instability of each convolution is measured
};

/// One phase of a run.
struct Phase {
  PhaseKind kind = PhaseKind::kFloat;
  int64_t begin = 0;            ///< its first epoch
  int64_t epochs = 0;           ///< 1 or more
  int64_t warmup = 0;           ///< epochs, fewer than `epochs`
  int64_t activation_bits = 0;  ///< 0: activations are not quantized yet, or never
  int64_t weight_bits = 0;      ///< 0: weights are float yet
  bool is_last_step = false;    ///< whether weight_bits is the last of the steps
  int64_t frozen_thirds = 0;    ///< of the convolutions, the most unstable ones first
};

/// The phases of a run (PROFIT, ECCV 2020; lengths of its code): float; for each step of the activations
/// stabilize, tune, stabilize; the same for each step of the weights, where at the last one the tuning is:
/// sample, tune, tune with one third of the convolutions frozen, tune with two thirds, and what is frozen
/// stays so. Phases of 0 epochs are left out. Throws std::invalid_argument for steps that do not fall.
std::vector<Phase> progression(const ProgressionOptions& options);

/// What multiplies the learning rate in epoch `epoch`, counted from 0, of `epochs`: 0.1 + 0.9 epoch / warmup
/// in the first `warmup` ones, then 0.001 + 0.999 (1 + cos(pi t)) / 2 with t from 0 to below 1.
double profit_rate(int64_t epoch, int64_t warmup, int64_t epochs);

/// "weights at 4 bits, activations at 4 bits, tuning".
std::string text_of(const Phase& phase);

}  // namespace bsq
