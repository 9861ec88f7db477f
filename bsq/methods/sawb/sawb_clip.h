#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

namespace bsq {

/// From which weights a clip comes, and by which formula.
enum class SawbKind {
  kLayer,     ///< one clip a layer, a constant for the gradient
  kChannel,   ///< one clip an output channel (first axis); the clipped weights' gradient goes through it
  kTwiceMean  ///< one clip a layer, 2 mean|w|: what the published code has for a VGG
};

/// clip = of_spread * spread + of_mean * mean|w|. The spread is the standard deviation about the mean,
/// divided by N - 1, or the root mean square.
struct SawbCoefficients {
  double of_spread, of_mean;
  bool is_about_mean;
};

/// 4 and 8 bits: those of BNFusionTrain, about the mean: (1, -1.013) / 0.077 and (1, -1.114) / 0.027.
/// 2, 3 and 5 bits: those in public use, of the root mean square: (3.12, -2.064), (7.509, -6.892) and
/// (17.74, -18.64). Throws std::invalid_argument for other bits.
SawbCoefficients sawb_coefficients(int64_t bits);
bool has_sawb_coefficients(int64_t bits);

/// The largest integer of the grid: 2^(bits-1) - 1.
int64_t sawb_levels(int64_t bits);

/// Below this a clip counts as 0: float32 has no number of steps to it.
constexpr double kSmallestClip = 1e-30;

/// The clips of a weight, (out, ...) of float32 or float64: one number, or one an output channel, in the
/// weight's type. Sums are in float64. Where the formula gives nothing positive (weights of one size, or too
/// few of them), the clip is max|w|. No gradient.
torch::Tensor sawb_clip(const torch::Tensor& weight, int64_t bits, SawbKind kind);

/// d clip / d weight of each channel for kChannel, in float64, (out, N): of_spread (w - mean) / ((N-1) sigma)
/// or of_spread w / (N rms), plus of_mean sign(w) / N. Not a number where the spread is 0.
torch::Tensor sawb_clip_slope(const torch::Tensor& weight, int64_t bits);

/// "clip 12.987 sigma - 13.156 mean|w| (BNFusionTrain), one a layer".
std::string sawb_text(int64_t bits, SawbKind kind);

}  // namespace bsq
