#include "bsq/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bsq::test {
namespace {

TEST(Schedule, DropsAtEveryMilestone) {
  const std::vector<int64_t> milestones = {150, 225};
  EXPECT_DOUBLE_EQ(learning_rate_at(0, 0.1, 0.1, milestones), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(149, 0.1, 0.1, milestones), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(150, 0.1, 0.1, milestones), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate_at(224, 0.1, 0.1, milestones), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate_at(225, 0.1, 0.1, milestones), 0.001);
  EXPECT_DOUBLE_EQ(learning_rate_at(100000, 0.1, 0.1, milestones), 0.001);
}

TEST(Schedule, TakesMilestonesInAnyOrderAndNone) {
  EXPECT_DOUBLE_EQ(learning_rate_at(5, 1.0, 0.5, {7, 3, 5}), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate_at(5, 1.0, 0.5, {}), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_at(0, 1.0, 0.5, {0}), 0.5);
}

TEST(Schedule, FallsAlongACosineAndALine) {
  EXPECT_DOUBLE_EQ(falling_rate(RateSchedule::kCosine, 0, 8), 1.0);
  EXPECT_NEAR(falling_rate(RateSchedule::kCosine, 2, 8), 0.5 + std::sqrt(0.5) / 2, 1e-12);
  EXPECT_NEAR(falling_rate(RateSchedule::kCosine, 4, 8), 0.5, 1e-12);
  EXPECT_NEAR(falling_rate(RateSchedule::kCosine, 8, 8), 0.0, 1e-12);
  EXPECT_DOUBLE_EQ(falling_rate(RateSchedule::kLinear, 6, 8), 0.25);
  EXPECT_DOUBLE_EQ(falling_rate(RateSchedule::kLinear, 9, 8), 0.0) << "beyond the end";
  EXPECT_DOUBLE_EQ(falling_rate(RateSchedule::kStep, 6, 8), 1.0);
}

TEST(Schedule, WarmUpRisesInEqualStepsToTheFullRate) {
  EXPECT_DOUBLE_EQ(warmup_factor(0, 4), 0.25);
  EXPECT_DOUBLE_EQ(warmup_factor(1, 4), 0.5);
  EXPECT_DOUBLE_EQ(warmup_factor(3, 4), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(4, 4), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(0, 0), 1.0);
}

}  // namespace
}  // namespace bsq::test
