#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "bsq/io/run_summary.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string two_flags() {
  return "--ranks 2 --sync-norm --depth 8 --bits 8 --alpha 0.5 --adjust-every 1 --lr 0.05";
}

// A run of two ranks that nobody disturbs, once for all tests.
const ToolRun& whole() {
  static const TemporaryFolder folder;
  static const ToolRun run{
      folder.file("whole"),
      run_tiny("bsq_train", two_flags() + " --epochs 5 --checkpoint-steps 2 --out " + folder.file("whole"))};
  return run;
}

void expect_like_whole_run(const std::string& folder) {
  for (const std::string file : {"/checkpoint.h5", "/model_best.h5"}) {
    expect_same_checkpoint(whole().folder + file, folder + file);
  }
  EXPECT_EQ(read_log_without_clock(whole().file("log.txt")), read_log_without_clock(folder + "/log.txt"));
  EXPECT_EQ(read_bytes(whole().file("adjustments.csv")), read_bytes(folder + "/adjustments.csv"));
}

TEST(RanksOfOneMachine, OneWritesAndPrints) {
  const auto& out = whole().out;
  EXPECT_TRUE(holds(out, "epoch 4 "));
  EXPECT_EQ(out.find("epoch 0 "), out.rfind("epoch 0 ")) << out;
  EXPECT_EQ(read_checkpoint(whole().file("checkpoint.h5")).training->ranks, 2);
  EXPECT_EQ(read_summary(whole().folder).ranks, 2);
}

TEST(RanksOfOneMachine, AnotherNumberOfThemGoesOnAndSaysSo) {
  TemporaryFolder folder;
  run_tiny("bsq_train", two_flags() + " --epochs 1 --out " + folder.file("run"));
  const auto rest = run_tiny("bsq_train", "--resume --ranks 1 --epochs 2 --out " + folder.file("run"));
  EXPECT_TRUE(holds(rest, "ranks: 2 until now, 1 from here on")) << rest;
}

TEST(RanksOfOneMachine, ASignalToTheLauncherSavesAndTheRunGoesOn) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_command(program("bsq_train") + " " + tiny_flags() + " " + two_flags() +
                                  " --epochs 5 --checkpoint-steps 2 --out " + run + " >" + run +
                                  ".txt & pid=$!\nfor i in $(seq 6000); do grep -q '^epoch 0 ' " + run +
                                  ".txt && break; sleep 0.01; done\nkill -TERM $pid; wait $pid");
  EXPECT_EQ(result.status, 143) << result.err;
  EXPECT_TRUE(holds(result.err, "state saved in")) << result.err;
  run_tiny("bsq_train", "--resume --ranks 2 --out " + run);
  expect_like_whole_run(run);
}

TEST(RanksOfOneMachine, RefusesWhatCannotWork) {
  TemporaryFolder folder;
  const auto out = " --float --depth 8 --epochs 1 --out " + folder.file("run");
  const auto alone = run_tool("bsq_train", tiny_flags() + " --sync-norm" + out);
  EXPECT_EQ(alone.status, 2);
  EXPECT_TRUE(holds(alone.err, "--sync-norm")) << alone.err;
  const auto small =
      run_tool("bsq_train", "--threads 1 --data " + tiny_data() + " --ranks 3 --batch-size 99" + out);
  EXPECT_EQ(small.status, 2);
  EXPECT_TRUE(holds(small.err, "--batch-size: a batch of 2 images for 3 ranks")) << small.err;
  const auto launched =
      run_command("RANK=0 WORLD_SIZE=2 " + program("bsq_train") + " " + tiny_flags() + " --ranks 3" + out);
  EXPECT_EQ(launched.status, 2);
  EXPECT_TRUE(holds(launched.err, "contradicts the launcher")) << launched.err;
}

}  // namespace
}  // namespace bsq::test
