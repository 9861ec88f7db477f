#include <gtest/gtest.h>

#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kBestFile = "model_best.h5";

std::string train_flags(const std::string& model) {
  return "--method int8 --lr 0.02 --schedule 10 --model " + model + " --out ";
}

// Full precision, and 8-bit training from it; once for all tests.
struct Int8Runs {
  TemporaryFolder folder;
  ToolRun full, int8;

  Int8Runs() {
    full = run("full", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10 --out ");
    int8 = run("int8", "--epochs 2 " + train_flags(full.file(kBestFile)));
  }

 private:
  ToolRun run(const std::string& name, const std::string& arguments) {
    return {folder.file(name), run_tiny("bsq_train", arguments + folder.file(name))};
  }
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
  const auto log = read_log(runs().int8.file("log.txt"));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_LT(std::stod(log.at(2).at(1)), std::stod(log.at(1).at(1))) << "the loss falls";
}

TEST(Int8Tools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto file = runs().int8.file("checkpoint.h5");
  const auto final_count = correct_count(runs().int8.out, "final:");
  const auto own = run_tiny("bsq_train", "--method int8 --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), final_count);
  EXPECT_EQ(evaluated_count(file), final_count);
}

TEST(Int8Tools, TheLastFileIsPacked) {
  const auto file = runs().int8.file("final.h5");
  const auto summary = read_summary(runs().int8.folder);
  EXPECT_EQ(summary.method, "int8");
  EXPECT_EQ(summary.kept.file, "final.h5");
  const auto sizes = sizes_of(read_checkpoint(file).network);
  EXPECT_LE(static_cast<int64_t>(std::filesystem::file_size(file)), sizes.stored_bits / 8 + 128 * 1024);
  EXPECT_EQ(evaluated_count(file), evaluated_count(runs().int8.file(kBestFile)));
}

TEST(Int8Tools, FinetuningIsRefusedInOneLine) {
  const TemporaryFolder folder;
  const auto result = run_tool("finetune", "--epochs 1 --model " + runs().int8.file("final.h5") + " --out " +
                                               folder.file("out") + tiny_flags());
  EXPECT_NE(result.status, 0);
  EXPECT_TRUE(holds(result.err, "has a grid with an offset")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(Int8Tools, MoreEpochsAreBitForBitThoseOfOneRun) {
  const TemporaryFolder folder;
  for (const std::string precision : {"fp32", "bf16"}) {
    SCOPED_TRACE(precision);
    const auto whole = folder.file("whole-" + precision);
    const auto parts = folder.file("parts-" + precision);
    const auto flags = "--precision " + precision + " " + train_flags(runs().full.file(kBestFile));
    run_tiny("bsq_train", "--epochs 2 " + flags + whole);
    run_tiny("bsq_train", "--epochs 1 " + flags + parts);
    const auto rest = run_tiny("bsq_train", "--resume --epochs 2 --out " + parts);
    EXPECT_TRUE(holds(rest, "resumed at epoch 1, step 0\n")) << rest;
    expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
    EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(parts + "/log.txt"));
  }
}

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
  const auto wide = run_tool("bsq_train", "--method int8 --depth 8 --act 32" + tiny_flags());
  EXPECT_NE(wide.status, 0);
  EXPECT_TRUE(holds(wide.err, "32 bits; expected 1 to 16")) << wide.err;
  const auto other = run_tool("bsq_train", "--method float --depth 8 --bifurcation off" + tiny_flags());
  EXPECT_EQ(other.status, 2);
  EXPECT_TRUE(holds(other.err, "int8")) << other.err;
}

}  // namespace
}  // namespace bsq::test
