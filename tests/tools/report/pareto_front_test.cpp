#include "tools/report/pareto_front.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bsq::cli {
namespace {

TEST(ParetoFront, KeepsWhatNothingBeats) {
  EXPECT_EQ(pareto_front({4, 8, 16, 8}, {90, 91, 80, 70}), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(pareto_front({4, 8, 16}, {92, 91, 80}), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(pareto_front({4, NAN}, {92, 99}), (std::vector<size_t>{0}));
  EXPECT_EQ(pareto_front({4, 4}, {92, 93}), (std::vector<size_t>{1}));
  EXPECT_TRUE(pareto_front({}, {}).empty());
}

}  // namespace
}  // namespace bsq::cli
