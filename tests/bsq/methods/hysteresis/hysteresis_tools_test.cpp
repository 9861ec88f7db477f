#include <gtest/gtest.h>

#include <algorithm>

#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

std::string flags_of(const std::string& rest) {
  return "--method hysteresis --lr 0.02 --schedule 10 --wd 0 " + rest;
}

const std::string kLoop = flags_of("--map pact --quantize_layer3 4");
const std::string kPublished = flags_of("--hysteresis published --map pact");

// The loop with trained maps, the published rule, and finetuning of what the loop gave.
struct HysteresisRuns {
  ToolRun loop = method_runs().train("loop", "--epochs 2 " + kLoop);
  ToolRun published = method_runs().train("published", "--epochs 2 " + kPublished);
  ToolRun finetuned = method_runs().finetune("finetuned", loop);
};

const HysteresisRuns& runs() {
  static const HysteresisRuns all;
  return all;
}

TEST(HysteresisTools, DescribeTellsMethodBitsAndMaps) {
  const auto file = read_checkpoint(runs().loop.file("checkpoint.h5"));
  EXPECT_EQ(file.method, "hysteresis");
  EXPECT_EQ(file.description.activation, "hysteresis-pact");
  EXPECT_EQ(file.description.activation_bits, 2) << "the method's own default";
  EXPECT_EQ(file.description.activation_rules,
            (std::vector<std::pair<std::string, int64_t>>{{"layer3.*", 4}}));
  const auto json = described(runs().loop.file("checkpoint.h5"));
  EXPECT_EQ(json["tensors"].size(), 8U) << "six convolutions of blocks, two shortcuts";
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 1) << tensor["name"];
  }
  EXPECT_EQ(json["comp"], 32);
  const auto text = run_tool("describe", runs().loop.file("checkpoint.h5"));
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(holds(text.out, "hysteresis")) << text.out;
}

TEST(HysteresisTools, TrainingLearnsAndSaysWhatTheLoopHolds) {
  expect_learns(runs().loop);
  const auto log = read_log(runs().loop.file("log.txt"));
  EXPECT_EQ(std::count(log.at(0).begin(), log.at(0).end(), "Held %"), 1);
}

TEST(HysteresisTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  expect_evaluation_agrees(runs().loop, "--method hysteresis");
  EXPECT_FALSE(evaluated_count(runs().loop.file("final.h5")).empty());
}

TEST(HysteresisTools, ThePublishedRuleStoresFloatWeightsAndSaysSo) {
  const auto file = runs().published.file("checkpoint.h5");
  const auto json = described(file);
  EXPECT_EQ(json["comp"], 1) << "weights between the signs are floats";
  const auto own =
      run_tiny("bsq_train", "--method hysteresis --hysteresis published --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), correct_count(runs().published.out, "final:"));
}

TEST(HysteresisTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  expect_more_epochs_are_those_of(runs().loop, kLoop);
  expect_more_epochs_are_those_of(runs().published, kPublished);
}

TEST(HysteresisTools, AKillInMidEpochLeavesNoTrace) {
  expect_a_kill_leaves_no_trace(flags_of("--map pact --threshold 0.5"));
}

TEST(HysteresisTools, FinetuningKeepsTheValuesAndPacksThem) {
  expect_finetuning_packs(runs().loop, runs().finetuned);
}

TEST(HysteresisTools, SummaryAndReportKnowTheRun) {
  expect_report_knows({runs().loop, runs().published}, "hysteresis");
}

TEST(HysteresisTools, WrongCallsAreRefused) {
  const auto model = " --model " + method_runs().start();
  const std::pair<const char*, const char*> calls[] = {
      {"--bits 2", "--bits 2: expected 1"},
      {"--act 0 --map pact", "--map pact: no effect with --act 0"},
      {"--act 0 --quantize-layer1 2", "--quantize-layer: no effect with --act 0"},
      {"--act 17", "feature map: 17 bits"},
      {"--hysteresis published --threshold-rule relative", "is absolute with --hysteresis published"},
      {"--hysteresis published --keep-float fc", "--keep-float: no effect with --hysteresis published"},
      {"--threshold -1", "--threshold -1: expected"},
      {"--quantize-layer1 3 --layer-act 'layer1.*=2'", "contradicts the rule layer1.*=2"},
      {"--quantize-layer1 x", "--quantize-layer1 x: expected"}};
  for (const auto& [flags, message] : calls) {
    expect_refused("bsq_train", std::string("--method hysteresis ") + flags + model, 2, message);
  }
  const std::pair<const char*, const char*> contradictions[] = {
      {"--map fixed", "--map fixed contradicts the model file, which has pact"},
      {"--hysteresis published", "--hysteresis published contradicts the model file, which has loop"},
      {"--quantize_layer3 2", "--quantize-layer3 2 contradicts the model file, which has 4"},
      {"--quantize-layer1 4", "--quantize-layer1 4 contradicts the model file, which has 2"}};
  for (const auto& [flags, message] : contradictions) {
    expect_refused(
        "bsq_train",
        std::string("--method hysteresis --model ") + runs().loop.file("checkpoint.h5") + " " + flags, 2,
        message);
  }
  expect_refused("bsq_train",
                 "--method hysteresis --hysteresis published --map fixed --model " +
                     runs().published.file("checkpoint.h5"),
                 2, "--map fixed contradicts the model file, which has pact");
}

}  // namespace
}  // namespace bsq::test
