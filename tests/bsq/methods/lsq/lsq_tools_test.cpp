#include <gtest/gtest.h>

#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kFlags = "--method lsq --bits 4 --lr 0.02 --schedule 10";

struct LsqRuns {
  ToolRun lsq = method_runs().train("lsq", std::string("--epochs 2 ") + kFlags);
  ToolRun finetuned = method_runs().finetune("finetuned", lsq);
};

const LsqRuns& runs() {
  static const LsqRuns all;
  return all;
}

TEST(LsqTools, DescribeTellsMethodBitsAndActivations) {
  const auto json = described(runs().lsq.file("checkpoint.h5"));
  EXPECT_EQ(read_checkpoint(runs().lsq.file("checkpoint.h5")).method, "lsq");
  EXPECT_EQ(read_checkpoint(runs().lsq.file("checkpoint.h5")).description.activation, "lsq");
  for (const auto& tensor : json["tensors"]) {
    const auto name = tensor["name"].get<std::string>();
    EXPECT_EQ(tensor["bits"], name == "conv1.weight" || name == "fc.weight" ? 8 : 4) << name;
  }
  EXPECT_EQ(json["tensors"].size(), 8U);
  EXPECT_GT(json["comp"], 7.5);
  EXPECT_LT(json["comp"], 8);
  const auto text = run_tool("describe", runs().lsq.file("checkpoint.h5"));
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(holds(text.out, "lsq")) << text.out;
}

TEST(LsqTools, StepsBeginWithCalibrationAndTrainingLearns) {
  EXPECT_TRUE(holds(runs().lsq.out, "calibrated on ")) << runs().lsq.out;
  expect_learns(runs().lsq);
}

TEST(LsqTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  expect_evaluation_agrees(runs().lsq, "--method lsq");
}

TEST(LsqTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  const auto flags = std::string("--precision bf16 ") + kFlags;
  expect_more_epochs_are_those_of(method_runs().train("whole", "--epochs 2 " + flags), flags);
}

TEST(LsqTools, FinetuningKeepsTheValuesAndPacksThem) {
  expect_finetuning_packs(runs().lsq, runs().finetuned);
}

TEST(LsqTools, ConversionTakesWhatItTrained) { expect_conversion_takes(runs().lsq); }

TEST(LsqTools, SummaryAndReportKnowTheRun) { expect_report_knows({runs().lsq, runs().finetuned}, "lsq"); }

TEST(LsqTools, WrongCallsAreRefused) {
  const auto model = " --model " + method_runs().start();
  expect_refused("bsq_train", "--method lsq --bits 1" + model, 2, "--bits 1: expected at least 2");
  expect_refused("bsq_train", "--edge-bits 4" + model, 2, "lsq");
  expect_refused("bsq_train", "--method lsq --edge-bits 4 --model " + runs().lsq.file("checkpoint.h5"), 2,
                 "--edge-bits 4 contradicts the model file, which has 8");
  const auto packed = runs().lsq.file("final.h5");
  expect_refused(
      "bsq_train", "--method lsq --model " + packed, 1,
      packed +
          ": its weights are packed bits, which finetune takes; expected float weights for --method lsq");
}

}  // namespace
}  // namespace bsq::test
