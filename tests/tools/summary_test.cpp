#include <gtest/gtest.h>

#include <filesystem>

#include "bsq/io/run_summary.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

TEST(Summary, ATrainingSaysAllOfItself) {
  const auto& runs = tiny_runs();
  const auto run = read_summary(runs.bsq().folder);
  EXPECT_EQ(run.program, "bsq_train");
  EXPECT_EQ(run.method, "bsq");
  EXPECT_EQ(run.architecture, "resnet");
  EXPECT_EQ(run.options.at("depth"), "8");
  EXPECT_EQ(run.dataset, "cifar10");
  EXPECT_EQ(run.epochs, 3);
  EXPECT_EQ(run.epochs_done, 3);
  EXPECT_EQ(run.started_from, runs.eight_bits().file("model_best.h5"));
  EXPECT_EQ(run.kept.file, "final.h5");
  EXPECT_EQ(run.kept.top1, read_checkpoint(runs.bsq().file("checkpoint.h5")).top1);
  EXPECT_EQ(run.best.file, "model_best.h5");
  EXPECT_EQ(run.best.split, "test");
  EXPECT_EQ(run.best.top1, read_checkpoint(runs.bsq().file("model_best.h5")).top1);
  EXPECT_TRUE(std::isfinite(run.start.loss));
  EXPECT_GT(run.seconds, 0);
  EXPECT_EQ(run.threads, 1);
  EXPECT_EQ(run.precision, "fp32");
  EXPECT_EQ(run.versions.count("libtorch"), 1U);
  EXPECT_TRUE(holds(run.command.at(0), "bsq_train"));
  const auto log = read_log(runs.bsq().file("log.txt"));
  EXPECT_EQ(run.metrics.at(0).first, log[0][0]);
}

TEST(Summary, EveryProgramNamesTheModelToUse) {
  const auto& runs = tiny_runs();
  EXPECT_EQ(read_summary(runs.full().folder).kept.file, "final.h5");
  EXPECT_EQ(read_summary(runs.eight_bits().folder).kept.file, "model_best.h5");
  const auto finetuned = read_summary(runs.finetuned().folder);
  EXPECT_EQ(finetuned.method, "frozen");
  EXPECT_EQ(finetuned.kept.file, "best_bin.h5");
  EXPECT_EQ(finetuned.kept.top1, read_checkpoint(runs.finetuned().file("best_bin.h5")).top1);
}

TEST(Summary, AStoppedRunSaysSoAndAResumedOneKeepsItsStart) {
  const TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto flags =
      "--float --depth 8 --lr 0.05 --schedule 10 --epochs 400 --checkpoint " + run + tiny_flags();
  const auto stopped =
      run_command("'" + program("bsq_train") + "' " + flags + " & pid=$!; for i in $(seq 3000); do grep -q " +
                  "'\"epochs_done\": 1' " + run + "/summary.json 2>/dev/null && break; sleep 0.02; done; " +
                  "kill -TERM $pid; wait $pid");
  EXPECT_EQ(stopped.status, 143) << stopped.err;
  const auto before = read_summary(run);
  EXPECT_EQ(before.status, RunStatus::kStopped);
  EXPECT_GE(before.epochs_done, 1);
  EXPECT_EQ(before.epochs, 400);
  run_tiny("bsq_train", "--resume --override-resume epochs --epochs " +
                            std::to_string(before.epochs_done + 1) + " --checkpoint " + run);
  const auto after = read_summary(run);
  EXPECT_EQ(after.status, RunStatus::kDone);
  EXPECT_EQ(after.epochs_done, before.epochs_done + 1);
  EXPECT_EQ(after.start.top1, before.start.top1);
}

TEST(Summary, OneThatCannotBeWrittenIsSaidAndTriedAgain) {
  const TemporaryFolder folder;
  const auto run = folder.file("run");
  std::filesystem::create_directories(run + "/summary.json/in/its/place");
  const auto result =
      run_tool("bsq_train", "--float --depth 8 --epochs 1 --checkpoint " + run + tiny_flags());
  EXPECT_EQ(result.status, 1) << "summary.json is missing";
  EXPECT_TRUE(holds(result.err, "cannot write " + run + "/summary.json")) << result.err;
}

TEST(Summary, DescribeShowsAFolder) {
  const auto& run = tiny_runs().bsq();
  const auto result = run_tool("describe", run.folder);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.out, run.folder + ": a run of bsq_train, done\nmethod: bsq\n")) << result.out;
  EXPECT_TRUE(holds(result.out, "epochs: 3 of 3, ")) << result.out;
  EXPECT_TRUE(holds(result.out, ", checkpoint.h5\n")) << result.out;
  EXPECT_EQ(described(run.folder)["method"], "bsq");
  EXPECT_TRUE(holds(run_tool("describe", "--brief " + run.folder).out, "bsq    top-1 "));
}

}  // namespace
}  // namespace bsq::test
