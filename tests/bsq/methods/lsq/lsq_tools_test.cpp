#include <gtest/gtest.h>

#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kBestFile = "model_best.h5";

std::string train_flags(const std::string& model) {
  return "--method lsq --bits 4 --lr 0.02 --schedule 10 --model " + model + " --out ";
}

// Full precision with uniform activations, LSQ from it, and finetuning of what came out; once for all tests.
struct LsqRuns {
  TemporaryFolder folder;
  ToolRun full, lsq, finetuned;

  LsqRuns() {
    full = run("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10 --out ");
    lsq = run("lsq", "bsq_train", "--epochs 2 " + train_flags(full.file(kBestFile)));
    finetuned = run("finetuned", "finetune",
                    "--bin --epochs 1 --lr 0.001 --model " + lsq.file("checkpoint.h5") + " --out ");
  }

 private:
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) {
    return {folder.file(name), run_tiny(tool, arguments + folder.file(name))};
  }
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
  const auto log = read_log(runs().lsq.file("log.txt"));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_LT(std::stod(log.at(2).at(1)), std::stod(log.at(1).at(1))) << "the loss falls";
}

TEST(LsqTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto file = runs().lsq.file("checkpoint.h5");
  const auto final_count = correct_count(runs().lsq.out, "final:");
  const auto own = run_tiny("bsq_train", "--method lsq --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), final_count);
  EXPECT_EQ(evaluated_count(file), final_count) << "the frozen grid has the same values";
}

TEST(LsqTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  const TemporaryFolder folder;
  const auto whole = folder.file("whole");
  const auto parts = folder.file("parts");
  const auto flags = "--precision bf16 " + train_flags(runs().full.file(kBestFile));
  run_tiny("bsq_train", "--epochs 2 " + flags + whole);
  run_tiny("bsq_train", "--epochs 1 " + flags + parts);
  const auto rest = run_tiny("bsq_train", "--resume --epochs 2 --out " + parts);
  EXPECT_TRUE(holds(rest, "resumed at epoch 1, step 0\n")) << rest;
  expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
  EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(parts + "/log.txt"));
}

TEST(LsqTools, FinetuningKeepsTheValuesAndPacksThem) {
  const auto& run = runs().finetuned;
  EXPECT_EQ(correct_count(run.out, "start:"), correct_count(runs().lsq.out, "final:"));
  const auto best = run.file("best_bin.h5");
  EXPECT_EQ(evaluated_count(best), correct_count(run.out, "best:"));
  EXPECT_EQ(evaluated_count(run.file("best_float.h5")), correct_count(run.out, "best:"));
  EXPECT_EQ(described(best)["comp"], described(runs().lsq.file("checkpoint.h5"))["comp"]);
  const auto sizes = sizes_of(read_checkpoint(best).network);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(best));
  EXPECT_LE(bytes, sizes.stored_bits / 8 + 64 * 1024);
}

TEST(LsqTools, ConversionTakesWhatItTrained) {
  const TemporaryFolder folder;
  const auto out = run_tiny("convert", "--bits 8 --model " + runs().lsq.file("checkpoint.h5") + " --out " +
                                           folder.file("converted"));
  EXPECT_EQ(correct_count(out, "before:"), correct_count(runs().lsq.out, "final:"));
  EXPECT_EQ(correct_count(out, "after:"), evaluated_count(folder.file("converted/model_best.h5")));
}

TEST(LsqTools, SummaryAndReportKnowTheRun) {
  const auto summary = read_summary(runs().lsq.folder);
  EXPECT_EQ(summary.method, "lsq");
  EXPECT_EQ(summary.kept.file, "final.h5");
  const TemporaryFolder folder;
  const auto result = run_tool(
      "report", runs().lsq.folder + " " + runs().finetuned.folder + " --out " + folder.file("report"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(read_bytes(folder.file("report/index.html")), "lsq"));
}

TEST(LsqTools, WrongCallsAreRefused) {
  const auto model = " --model " + runs().full.file(kBestFile);
  const auto one_bit = run_tool("bsq_train", "--method lsq --bits 1" + model + tiny_flags());
  EXPECT_EQ(one_bit.status, 2);
  EXPECT_TRUE(holds(one_bit.err, "--bits 1: expected at least 2")) << one_bit.err;
  const auto other = run_tool("bsq_train", "--edge-bits 4" + model + tiny_flags());
  EXPECT_EQ(other.status, 2);
  EXPECT_TRUE(holds(other.err, "lsq")) << other.err;
}

}  // namespace
}  // namespace bsq::test
