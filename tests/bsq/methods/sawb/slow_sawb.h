#pragma once

#include <torch/types.h>

#include <cmath>

#include "bsq/methods/sawb/sawb_clip.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// The clip of some weights by the formula, number by number.
inline double slow_clip(const std::vector<double>& weights, int64_t bits, bool is_twice_mean) {
  const auto count = static_cast<double>(weights.size());
  double sum = 0, magnitudes = 0, squares = 0, largest = 0;
  for (const double w : weights) {
    sum += w;
    magnitudes += std::abs(w);
    squares += w * w;
    largest = std::max(largest, std::abs(w));
  }
  double distances = 0;
  for (const double w : weights) {
    distances += (w - sum / count) * (w - sum / count);
  }
  const double sigma = std::sqrt(distances / (count - 1));
  const double rms = std::sqrt(squares / count);
  const double mean = magnitudes / count;
  double clip = 2 * mean;
  if (!is_twice_mean) {
    clip = bits == 4   ? sigma / 0.077 - 1.013 / 0.077 * mean
           : bits == 8 ? sigma / 0.027 - 1.114 / 0.027 * mean
           : bits == 2 ? 3.12 * rms - 2.064 * mean
           : bits == 3 ? 7.509 * rms - 6.892 * mean
                       : 17.74 * rms - 18.64 * mean;
  }
  return clip > 0 ? clip : largest;
}

/// The value of one weight.
inline double slow_sawb(double w, double clip, int64_t bits) {
  const double n = std::ldexp(1.0, static_cast<int>(bits) - 1) - 1;
  if (clip == 0) {
    return 0;
  }
  return std::nearbyint(std::min(std::max(w, -clip), clip) * (n / clip)) * (clip / n);
}

/// What has one clip: a channel, or all of a weight.
inline std::vector<std::vector<double>> clip_groups(const torch::Tensor& weight, SawbKind kind) {
  std::vector<std::vector<double>> groups;
  const int64_t rows = kind == SawbKind::kChannel ? weight.size(0) : 1;
  for (const auto& row : weight.detach().reshape({rows, -1}).unbind()) {
    groups.push_back(values_of<double>(row));
  }
  return groups;
}

}  // namespace bsq::test
