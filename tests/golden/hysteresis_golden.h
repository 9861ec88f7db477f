#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <string>

namespace bsq::test {

// How closely values and what training has changed are held, relative to a tensor's largest number.
constexpr double kValueTolerance = 1e-9;
constexpr double kTrainedTolerance = 1e-8;

inline void expect_within(const torch::Tensor& ours, const torch::Tensor& golden, double tolerance,
                          const std::string& what) {
  ASSERT_EQ(ours.sizes(), golden.sizes()) << what;
  const double size = std::max(golden.abs().max().item<double>(), 1e-12);
  EXPECT_LE((ours.detach() - golden).abs().max().item<double>(), tolerance * size) << what;
}

}  // namespace bsq::test
