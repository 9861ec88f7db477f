#include <gtest/gtest.h>

#include <cmath>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// A Python that has TensorBoard: the tests' virtual environment's, else the system's; "" for none.
std::string python() {
  for (const std::string path : {BSQ_SOURCE "/.venv/bin/python3", "/usr/bin/python3"}) {
    if (run_command("'" + path + "' -c 'import tensorboard.backend.event_processing.event_accumulator'")
            .status == 0) {
      return path;
    }
  }
  return "";
}

nlohmann::json events_in(const std::string& python, const std::string& folder) {
  const auto result =
      run_command("'" + python + "' '" BSQ_SOURCE "/tests/tools/read_events.py' '" + folder + "'");
  EXPECT_EQ(result.status, 0) << result.err;
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

// Two epochs, then two more: TensorBoard shows four, each once, as log.txt does.
TEST(Tensorboard, ReadsARunThatWasResumed) {
  const auto reader = python();
  if (reader.empty()) {
    GTEST_SKIP() << "no Python with the package tensorboard (.venv in the source folder, or the system's)";
  }
  TemporaryFolder folder;
  const auto run = folder.file("run");
  run_tiny("bsq_train",
           "--bin --L1 --decay 4 --Prun_Int 2 --lr 0.05 --schedule 10 --epochs 2 --tensorboard --model " +
               tiny_runs().eight_bits().file("model_best.h5") + " --checkpoint " + run);
  run_tiny("bsq_train", "--resume --epochs 4 --tensorboard --checkpoint " + run);
  const auto events = events_in(reader, run);
  const auto log = read_log(run + "/log.txt");
  ASSERT_EQ(log.size(), 5U);
  const auto loss = events["scalars"]["loss/train"];
  ASSERT_EQ(loss.size(), 4U);
  for (size_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_EQ(loss[epoch][0], epoch);
    EXPECT_NEAR(loss[epoch][1], std::stod(log[epoch + 1][1]), 1e-5);
  }
  EXPECT_EQ(events["scalars"]["top1/final"].size(), 1U) << "the first part's final network is superseded";
  EXPECT_EQ(events["scalars"]["bits/conv1.weight"].size(), 5U) << "four epochs and the final network";
  for (const char* tag :
       {"scale/conv1.weight", "mean_integer/conv1.weight", "changed_percent/conv1.weight"}) {
    EXPECT_EQ(events["scalars"][tag].size(), 4U) << tag << ": of an epoch, as in layers.csv";
  }
  EXPECT_EQ(events["histograms"]["weights/conv1.weight"].size(), 5U);
  EXPECT_EQ(events["histograms"]["weights/conv1.weight"][0][1], 432);
}

TEST(Tensorboard, ReadsFinetuning) {
  const auto reader = python();
  if (reader.empty()) {
    GTEST_SKIP() << "no Python with the package tensorboard (.venv in the source folder, or the system's)";
  }
  TemporaryFolder folder;
  run_tiny("finetune", "--bin --lr 0.01 --epochs 1 --schedule 1 --tensorboard --model " +
                           tiny_runs().bsq().file("checkpoint.h5") + " --checkpoint " + folder.file("run"));
  const auto events = events_in(reader, folder.file("run"));
  EXPECT_EQ(events["scalars"]["top1/valid"].size(), 1U);
  EXPECT_EQ(events["scalars"].count("penalty"), 0U);
}

}  // namespace
}  // namespace bsq::test
