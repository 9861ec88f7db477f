#include "bsq/train/run_log.h"

#include <gtest/gtest.h>

namespace bsq::test {
namespace {

TEST(RunLog, IsALineOfNamesThenOneOfNumbersForEachEpoch) {
  EXPECT_EQ(run_log_text({"Learning Rate", "Train Loss"}, {{0.1, 2.30258509}, {0.01, 1}}),
            "Learning Rate\tTrain Loss\t\n0.100000\t2.302585\t\n0.010000\t1.000000\t\n");
}

TEST(RunLog, WithoutEpochsThereAreOnlyNames) { EXPECT_EQ(run_log_text({"Comp"}, {}), "Comp\t\n"); }

}  // namespace
}  // namespace bsq::test
