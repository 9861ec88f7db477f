#include "bsq/methods/bsq/real_planes.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "bsq/methods/bsq/reconstruction.h"

namespace bsq::test {
namespace {

torch::Tensor values_in(const BitPlanes& planes) {
  return plane_value(planes.positive, planes.negative).mul(planes.scale);
}

torch::Tensor numbers_of(const BitPlanes& planes) { return plane_sum(planes.positive, planes.negative); }

BitPlanes planes_with(const std::vector<double>& values, int64_t bits) {
  return planes_of_reals(torch::tensor(values, torch::kFloat64), bits, torch::full({}, 0.7, torch::kFloat64));
}

TEST(RealPlanes, HoldTheNumbersWithinTheOptimizersLimits) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto levels = static_cast<double>(max_integer(bits));
    const auto values = torch::rand({500}, torch::kFloat64).mul(2 * levels).sub(levels);
    const auto planes = planes_of_reals(values, bits, torch::ones({}, torch::kFloat64));
    EXPECT_TRUE(torch::allclose(numbers_of(planes), values, 0, 1e-12)) << bits;
    for (const auto& plane : {planes.positive, planes.negative}) {
      EXPECT_GE(plane.min().item<double>(), 0);
      EXPECT_LE(plane.max().item<double>(), 2);
    }
  }
}

TEST(RealPlanes, SaturateHalfAStepBeyondTheLargestInteger) {
  const auto planes = planes_with({9, -9, 3.25, -3.75}, /*bits=*/2);
  EXPECT_TRUE(torch::equal(numbers_of(planes), torch::tensor({3.5, -3.5, 3.25, -3.5}, torch::kFloat64)));
}

TEST(RealPlanes, AreTheSameNumbersWhenRenewed) {
  torch::manual_seed(2);
  BitPlanes trained{torch::rand({4, 100}, torch::kFloat64), torch::rand({4, 100}, torch::kFloat64),
                    torch::ones({}, torch::kFloat64)};
  EXPECT_TRUE(torch::allclose(numbers_of(renewed(trained)), numbers_of(trained), 0, 1e-12));
}

TEST(RealPlanes, OnePlaneLessKeepsTheValuesThatFit) {
  const auto planes = planes_with({6.0, -2.0, 1.0, -1.0, 0.5}, /*bits=*/4);
  EXPECT_TRUE(torch::allclose(values_in(without_least_significant(planes)), values_in(planes), 0, 1e-12));
  EXPECT_EQ(without_least_significant(planes).bits(), 3);
  EXPECT_TRUE(torch::allclose(values_in(without_most_significant(planes)), values_in(planes), 0, 1e-12));
  const auto large = planes_with({15, 3}, /*bits=*/4);
  EXPECT_TRUE(
      torch::equal(numbers_of(without_most_significant(large)), torch::tensor({7.5, 3.0}, torch::kFloat64)));
}

TEST(RealPlanes, GrowWhereAnIntegerNeedsIt) {
  BitPlanes planes{torch::full({2, 1}, 1.9, torch::kFloat64), torch::zeros({2, 1}, torch::kFloat64),
                   torch::ones({}, torch::kFloat64)};
  const auto wide = widened_if_needed(planes);  // 5.7
  EXPECT_EQ(wide.bits(), 3);
  EXPECT_TRUE(torch::allclose(values_in(wide), values_in(planes), 0, 1e-12));
  EXPECT_EQ(widened_if_needed(planes_with({3, -3}, 2)).bits(), 2);
}

TEST(RealPlanes, AdjustmentDropsPlanesWithoutADigitAtBothEnds) {
  // Of 16 only the 4 and the 2 are used: 6.25, 4, -2.
  const auto planes = planes_with({6.25, 4.0, -2.0}, /*bits=*/5);
  const auto left = adjust_real(planes, /*threshold_percent=*/0);
  EXPECT_EQ(left.bits(), 2);
  EXPECT_TRUE(torch::allclose(values_in(left), values_in(planes), 0, 1e-12));
  EXPECT_EQ(adjust_real(planes_with({0, 0}, 4), 0).bits(), 1) << "one plane stays";
}

TEST(RealPlanes, AdjustmentAtAThresholdSaturates) {
  std::vector<double> values(100, 3.0);
  values[0] = 12.0;
  const auto left = adjust_real(planes_with(values, /*bits=*/4), /*threshold_percent=*/2);
  EXPECT_EQ(left.bits(), 2);
  EXPECT_EQ(numbers_of(left)[0].item<double>(), 3.5);
  EXPECT_EQ(numbers_of(left)[1].item<double>(), 3.0);
}

}  // namespace
}  // namespace bsq::test
