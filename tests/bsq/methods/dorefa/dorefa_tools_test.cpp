#include <gtest/gtest.h>

#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kBestFile = "model_best.h5";

std::string train_flags(const std::string& model) {
  return "--method dorefa --bits 2 --act 3 --lr 0.02 --schedule 10 --model " + model + " --out ";
}

// Full precision, DoReFa from it, and finetuning of what came out; once for all tests.
struct DorefaRuns {
  TemporaryFolder folder;
  ToolRun full, dorefa, finetuned;

  DorefaRuns() {
    full = run("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10 --out ");
    dorefa = run("dorefa", "bsq_train", "--epochs 2 " + train_flags(full.file(kBestFile)));
    finetuned = run("finetuned", "finetune",
                    "--bin --epochs 1 --lr 0.001 --model " + dorefa.file("checkpoint.h5") + " --out ");
  }

 private:
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) {
    return {folder.file(name), run_tiny(tool, arguments + folder.file(name))};
  }
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
  const auto file = runs().dorefa.file("checkpoint.h5");
  const auto final_count = correct_count(runs().dorefa.out, "final:");
  const auto own = run_tiny("bsq_train", "--method dorefa --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), final_count);
  EXPECT_EQ(evaluated_count(file), final_count) << "the frozen grid has the same values";
}

TEST(DorefaTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  const TemporaryFolder folder;
  for (const std::string precision : {"fp32", "bf16"}) {
    SCOPED_TRACE(precision);
    const auto whole = folder.file("whole-" + precision), parts = folder.file("parts-" + precision);
    const auto flags = "--precision " + precision + " " + train_flags(runs().full.file(kBestFile));
    run_tiny("bsq_train", "--epochs 3 " + flags + whole);
    run_tiny("bsq_train", "--epochs 1 " + flags + parts);
    run_tiny("bsq_train", "--resume --epochs 3 --out " + parts);
    expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
  }
}

TEST(DorefaTools, FinetuningKeepsTheValuesAndPacksThem) {
  const auto& run = runs().finetuned;
  EXPECT_EQ(correct_count(run.out, "start:"), correct_count(runs().dorefa.out, "final:"));
  const auto best = run.file("best_bin.h5");
  EXPECT_EQ(evaluated_count(best), correct_count(run.out, "best:"));
  EXPECT_EQ(described(best)["comp"], described(runs().dorefa.file("checkpoint.h5"))["comp"]);
  const auto sizes = sizes_of(read_checkpoint(best).network);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(best));
  EXPECT_LE(bytes, sizes.stored_bits / 8 + 64 * 1024);
}

TEST(DorefaTools, ConversionAndReportTakeWhatItTrained) {
  const TemporaryFolder folder;
  const auto out = run_tiny("convert", "--bits 8 --model " + runs().dorefa.file("checkpoint.h5") + " --out " +
                                           folder.file("converted"));
  EXPECT_EQ(correct_count(out, "before:"), correct_count(runs().dorefa.out, "final:"));
  EXPECT_EQ(correct_count(out, "after:"), evaluated_count(folder.file("converted/model_best.h5")));
  EXPECT_EQ(read_summary(runs().dorefa.folder).method, "dorefa");
  const auto result = run_tool("report", runs().dorefa.folder + " --out " + folder.file("report"));
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST(DorefaTools, WrongCallsAreRefused) {
  const auto model = " --model " + runs().full.file(kBestFile) + tiny_flags();
  const auto nine = run_tool("bsq_train", "--method dorefa --bits 9" + model);
  EXPECT_EQ(nine.status, 2);
  EXPECT_TRUE(holds(nine.err, "--bits 9: expected at most 8")) << nine.err;
  const auto wide = run_tool("bsq_train", "--method dorefa --act 17" + model);
  EXPECT_EQ(wide.status, 2);
  EXPECT_TRUE(holds(wide.err, "dorefa activation: 17 bits")) << wide.err;
}

}  // namespace
}  // namespace bsq::test
