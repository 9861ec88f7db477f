#include <gtest/gtest.h>

#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kFlags = "--method dorefa --bits 2 --act 3 --lr 0.02 --schedule 10";

struct DorefaRuns {
  ToolRun dorefa = method_runs().train("dorefa", std::string("--epochs 2 ") + kFlags);
  ToolRun finetuned = method_runs().finetune("finetuned", dorefa);
};

const DorefaRuns& runs() {
  static const DorefaRuns all;
  return all;
}

TEST(DorefaTools, DescribeTellsMethodBitsAndActivations) {
  const auto file = read_checkpoint(runs().dorefa.file("checkpoint.h5"));
  EXPECT_EQ(file.method, "dorefa");
  EXPECT_EQ(file.description.activation, "dorefa");
  EXPECT_EQ(file.description.activation_bits, 3);
  const auto json = described(runs().dorefa.file("checkpoint.h5"));
  EXPECT_EQ(json["tensors"].size(), 6U) << "first, last and shortcuts are float";
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 2) << tensor["name"];
  }
  EXPECT_EQ(json["comp"], 16);
}

TEST(DorefaTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  expect_evaluation_agrees(runs().dorefa, "--method dorefa");
}

TEST(DorefaTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  expect_more_epochs_are_those_of(runs().dorefa, kFlags);
}

TEST(DorefaTools, QuantizedGradientsResumeBitForBit) {
  const auto flags = std::string("--gradient-bits 6 ") + kFlags;
  const auto whole = method_runs().train("gradients", "--epochs 2 " + flags);
  expect_more_epochs_are_those_of(whole, flags);
  EXPECT_NE(read_log(whole.file("log.txt")).at(2).at(1), read_log(runs().dorefa.file("log.txt")).at(2).at(1))
      << "the gradients differ";
}

TEST(DorefaTools, FinetuningKeepsTheValuesAndPacksThem) {
  expect_finetuning_packs(runs().dorefa, runs().finetuned);
}

TEST(DorefaTools, ConversionTakesWhatItTrained) { expect_conversion_takes(runs().dorefa); }

TEST(DorefaTools, SummaryAndReportKnowTheRun) { expect_report_knows({runs().dorefa}, "dorefa"); }

TEST(DorefaTools, WrongCallsAreRefused) {
  const auto model = " --model " + method_runs().start();
  expect_refused("bsq_train", "--method dorefa --bits 9" + model, 2, "--bits 9: expected at most 8");
  expect_refused("bsq_train", "--method dorefa --act 17" + model, 2, "dorefa activation: 17 bits");
}

}  // namespace
}  // namespace bsq::test
