#include "bsq/train/schedule.h"

#include <gtest/gtest.h>

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

TEST(Schedule, WarmUpRisesInEqualStepsToTheFullRate) {
  EXPECT_DOUBLE_EQ(warmup_factor(0, 4), 0.25);
  EXPECT_DOUBLE_EQ(warmup_factor(1, 4), 0.5);
  EXPECT_DOUBLE_EQ(warmup_factor(3, 4), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(4, 4), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(0, 0), 1.0);
}

}  // namespace
}  // namespace bsq::test
