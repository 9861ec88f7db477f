#include "bsq/train/run_log.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"

namespace bsq::test {
namespace {

TEST(RunLog, ThePublishedColumnsComeFirstThenTheEpoch) {
  EXPECT_EQ(run_log_text({{"Learning Rate", "Comp", "Seconds"}, 7, {{0.1, 2.30258509, 3}, {0.01, 1, 4}}}),
            "Learning Rate\tComp\tEpoch\tSeconds\n"
            "0.100000\t2.302585\t7\t3.000000\n"
            "0.010000\t1.000000\t8\t4.000000\n");
}

TEST(RunLog, WithoutEpochsThereAreOnlyNames) { EXPECT_EQ(run_log_text({{"Comp"}, 0, {}}), "Comp\tEpoch\n"); }

TEST(RunLog, IsReadBack) {
  const RunLog log{{"Learning Rate", "Comp", "Wait %"}, 3, {{0.5, 2, 0.25}, {0.5, 4, 0}}};
  const auto found = parse_run_log(run_log_text(log), "log.txt");
  EXPECT_EQ(found.columns, log.columns);
  EXPECT_EQ(found.first_epoch, 3);
  EXPECT_EQ(found.history, log.history);
}

TEST(RunLog, ATableForPandasHasPlainNames) {
  const RunLog log{{"Learning Rate", "Valid Acc.", "Wait %"}, 3, {{0.5, 91.25, 0}}};
  EXPECT_EQ(run_log_csv(log), "epoch,learning_rate,valid_acc,wait\n3,0.500000,91.250000,0.000000\n");
}

TEST(RunLog, ALogOfAnOlderVersionIsRead) {
  const auto found = parse_run_log("Learning Rate\tTrain Loss\t\n0.100000\t2.302585\t\n", "log.txt");
  EXPECT_EQ(found.columns, (std::vector<std::string>{"Learning Rate", "Train Loss"}));
  EXPECT_EQ(found.first_epoch, 0);
  EXPECT_EQ(found.history, (std::vector<EpochRecord>{{0.1, 2.302585}}));
}

TEST(RunLog, WhatIsNoLogIsRefusedInOneLine) {
  for (const std::string text :
       {"", "\n", "Comp\n1\t2\n", "Comp\nfast\n", "Comp\tEpoch\n1\tnan\n", "Comp\tEpoch\n1\t1e300\n"}) {
    try {
      parse_run_log(text, "runs/a/log.txt");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("runs/a/log.txt: "), 0U) << error.what();
    }
  }
}

TEST(RunLog, EpochsCountFromWhereTheRunBegan) {
  TrainingState state;
  state.columns = {"Comp"};
  state.next_epoch = 5;
  state.history = {{1}, {2}};
  EXPECT_EQ(run_log_of(state).first_epoch, 3);
}

}  // namespace
}  // namespace bsq::test
