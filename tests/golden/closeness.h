#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <string>

namespace bsq::test {

/// Of values, and after training steps; float64.
constexpr double kValueTolerance = 1e-9, kTrainingTolerance = 1e-8;

/// Expects the same count of numbers and, in the golden tensor's shape, differences of at most `tolerance`,
/// in parts of its largest number where that is above 1.
inline void expect_close(const torch::Tensor& found, const torch::Tensor& wanted, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(found.numel(), wanted.numel()) << what;
  const auto difference = found.detach().reshape(wanted.sizes()).to(torch::kFloat64).sub(wanted).abs().max();
  const double size = std::max(1.0, wanted.abs().max().item<double>());
  EXPECT_LE(difference.item<double>(), tolerance * size) << what;
}

}  // namespace bsq::test
