#include <gtest/gtest.h>

#include <regex>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// Every step multiplies all weights by 1 - lr * wd = -2.9; at half the learning rate by -0.95.
constexpr const char* kExploding =
    "--float --depth 8 --lr 0.039 --wd 100 --momentum 0 --schedule 100 --epochs 12 ";

TEST(Divergence, StopsWithStepLayerAndTheLastGoodCheckpoint) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_tool("bsq_train", kExploding + tiny_flags() + " --checkpoint " + run);
  EXPECT_EQ(result.status, 1);
  const auto line = result.err.substr(result.err.find("bsq_train: "));
  EXPECT_EQ(line.find('\n'), line.size() - 1) << result.err;
  EXPECT_TRUE(std::regex_search(line, std::regex("bsq_train: (end of epoch|epoch) [0-9]+"))) << line;
  EXPECT_TRUE(std::regex_search(line, std::regex("(conv1|conv2|bn1|bn2|fc|downsample)"))) << line;
  EXPECT_TRUE(holds(line, "last good checkpoint: " + run + "/checkpoint.h5 (epoch ")) << line;
  const auto state = read_checkpoint(run + "/checkpoint.h5").training;
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->rate_factor, 1.0);
}

TEST(Divergence, RollbackGoesOnWithHalfTheLearningRateForGood) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto out = run_tiny("bsq_train", std::string(kExploding) + "--on-nan rollback --checkpoint " + run);
  EXPECT_TRUE(holds(out, ", learning rate times 1/2\n")) << out;
  EXPECT_FALSE(holds(out, "1/4")) << out;
  const auto state = read_checkpoint(run + "/checkpoint.h5").training;
  EXPECT_EQ(state->rate_factor, 0.5);
  EXPECT_EQ(state->history.size(), 12U);
  run_tiny("bsq_train", "--resume --epochs 13 --checkpoint " + run);
  const auto log = read_log(run + "/log.txt");
  EXPECT_EQ(log.back().front(), "0.019500");
}

TEST(Divergence, AfterThreeRollbacksTheRunEnds) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result =
      run_tool("bsq_train",
               "--float --depth 8 --lr 1e6 --wd 1e6 --momentum 0 --epochs 3 --schedule 3 --on-nan rollback" +
                   tiny_flags() + " --checkpoint " + run);
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.out, "learning rate times 1/8\n")) << result.out;
  EXPECT_TRUE(holds(result.err, "after three rollbacks; last good checkpoint: " + run)) << result.err;
  EXPECT_EQ(read_checkpoint(run + "/checkpoint.h5").training->rate_factor, 0.125);
  const auto again = run_tool("bsq_train", "--resume --checkpoint " + run);
  EXPECT_EQ(again.status, 1) << "the count survives the process";
  EXPECT_FALSE(holds(again.out, "rolled back")) << again.out;
  EXPECT_TRUE(holds(again.out, "resumed at epoch 0, step 0, learning rate times 1/8\n")) << again.out;
  const auto lower =
      run_tool("bsq_train", "--resume --lr 0.01 --wd 0 --override-resume lr,wd --checkpoint " + run);
  EXPECT_EQ(lower.status, 0) << lower.err;
  EXPECT_EQ(read_log(run + "/log.txt").back().front(), "0.010000")
      << "a rate of its own begins without rollbacks";
}

TEST(Divergence, OtherWordsForOnNanAreRefused) {
  const auto result = run_tool("bsq_train", "--float --on-nan ignore");
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err, "bsq_train: --on-nan ignore: expected stop or rollback (see bsq_train --help)\n");
}

}  // namespace
}  // namespace bsq::test
