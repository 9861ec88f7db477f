#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"
#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kFlags = "--method int8 --lr 0.02 --schedule 10";

struct Int8Runs {
  ToolRun int8 = method_runs().train("int8", std::string("--epochs 2 ") + kFlags);
};

const Int8Runs& runs() {
  static const Int8Runs all;
  return all;
}

TEST(Int8Tools, DescribeTellsBitsOfEveryTensor) {
  const auto file = runs().int8.file("checkpoint.h5");
  const auto read = read_checkpoint(file);
  EXPECT_EQ(read.method, "int8");
  EXPECT_EQ(read.description.activation, "int8");
  EXPECT_EQ(read.description.activation_bits, 8) << "the method's own, not the programs' 4";
  EXPECT_EQ(read.description.norm, "range");
  const auto json = described(file);
  EXPECT_EQ(json["tensors"].size(), 11U) << "ten weights, shortcuts included, and a bias";
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], tensor["name"] == "fc.bias" ? 16 : 8) << tensor["name"];
  }
  const auto packed = described(runs().int8.file("final.h5"));
  EXPECT_EQ(packed["comp"], json["comp"]);
  EXPECT_EQ(packed["comp_stored"], json["comp_stored"]);
  EXPECT_EQ(packed["tensors"][0]["offset"].size(), packed["tensors"][0]["scale"].size());
}

TEST(Int8Tools, RangesBeginWithCalibrationAndTrainingLearns) {
  EXPECT_TRUE(holds(runs().int8.out, "calibrated on ")) << runs().int8.out;
  expect_learns(runs().int8);
}

TEST(Int8Tools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  expect_evaluation_agrees(runs().int8, "--method int8");
}

TEST(Int8Tools, TheLastFileIsPacked) {
  const auto file = runs().int8.file("final.h5");
  const auto summary = read_summary(runs().int8.folder);
  EXPECT_EQ(summary.method, "int8");
  EXPECT_EQ(summary.kept.file, "final.h5");
  const auto sizes = sizes_of(read_checkpoint(file).network);
  EXPECT_LE(static_cast<int64_t>(std::filesystem::file_size(file)), sizes.stored_bits / 8 + 128 * 1024);
  EXPECT_EQ(evaluated_count(file), evaluated_count(runs().int8.file("model_best.h5")));
}

TEST(Int8Tools, FinetuningIsRefusedInOneLine) {
  const TemporaryFolder folder;
  const auto result = run_tool("finetune", "--epochs 1 --model " + runs().int8.file("final.h5") + " --out " +
                                               folder.file("out") + tiny_flags());
  EXPECT_NE(result.status, 0);
  EXPECT_TRUE(holds(result.err, "has a grid with an offset")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(Int8Tools, MoreEpochsAreBitForBitThoseOfOneRun) { expect_more_epochs_are_those_of(runs().int8, kFlags); }

TEST(Int8Tools, TheRecipesNetworkTrainsFromThePublishedStart) {
  const TemporaryFolder folder;
  const auto out = run_tiny("bsq_train",
                            "--method int8 -a resnet --depth 18 --published-start --epochs 1 --lr 0.1 "
                            "--schedule 81,122,164 --wd 1e-4 --out " +
                                folder.file("run"));
  EXPECT_TRUE(holds(out, "a ResNet of 14 layers")) << out;
  EXPECT_FALSE(holds(out, "nan")) << out;
}

TEST(Int8Tools, WrongCallsAreRefused) {
  expect_refused("bsq_train", "--method int8 --depth 8 --act 32", 0, "32 bits; expected 1 to 16");
  expect_refused("bsq_train", "--method float --depth 8 --bifurcation off", 2, "int8");
}

}  // namespace
}  // namespace bsq::test
