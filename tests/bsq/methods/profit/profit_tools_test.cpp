#include <gtest/gtest.h>

#include "bsq/io/run_summary.h"
#include "bsq/methods/bsq/adjustment_log.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string profit_flags(const std::string& model) {
  return "--method profit --act 4 --phase-scale 0.001 --activation-steps 8,4 --weight-steps 4 --lr 0.01 "
         "--wd 4e-5 --teacher " +
         model + " --teacher-weight 1 --label-weight 1 --temperature 1 --model " + model + " --out ";
}

// Full precision, PROFIT from it, and finetuning of what came out; once for all tests.
struct ProfitRuns {
  TemporaryFolder folder;
  ToolRun full, profit, finetuned;

  ProfitRuns() {
    full = run("full", "bsq_train",
               "--float -a mobilenet_v1 --multiplier 0.1 --act 0 --epochs 1 --lr 0.05 --out ");
    profit = run("profit", "bsq_train", profit_flags(full.file("model_best.h5")));
    finetuned = run("finetuned", "finetune",
                    "--bin --epochs 1 --lr 0.001 --model " + profit.file("checkpoint.h5") + " --out ");
  }

 private:
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) {
    return {folder.file(name), run_tiny(tool, arguments + folder.file(name))};
  }
};

const ProfitRuns& runs() {
  static const ProfitRuns all;
  return all;
}

TEST(ProfitTools, TheRecordNamesEveryPhase) {
  const auto& out = runs().profit.out;
  EXPECT_TRUE(holds(out, "phase 1 of 13 at epoch 0: weights float, activations float, float training"))
      << out;
  EXPECT_TRUE(holds(out, "phase 5 of 13 at epoch 4: weights float, activations at 4 bits"));
  EXPECT_TRUE(holds(out, "measuring the instability"));
  EXPECT_TRUE(holds(out, "two thirds frozen: model."));
  const auto log = read_log(runs().profit.file("log.txt"));
  EXPECT_EQ(log.size(), 14U);
  const auto summary = read_summary(runs().profit.folder);
  EXPECT_EQ(summary.method, "profit");
  EXPECT_EQ(summary.epochs, 13);
}

TEST(ProfitTools, TheRecordOfAdjustmentsBeginsWithoutBits) {
  const auto file = runs().profit.file("adjustments.csv");
  const auto adjustments = parse_adjustment_log(read_bytes(file), file);
  ASSERT_GT(adjustments.size(), 2U);
  EXPECT_TRUE(adjustments.front().bits.empty());
  EXPECT_EQ(adjustments.back().bits.size(), 28U);
  const TemporaryFolder folder;
  const auto report = run_tool("report", runs().profit.folder + " --out " + folder.file("report"));
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_FALSE(holds(report.out + report.err, "adjustments.csv")) << report.err;
}

TEST(ProfitTools, DescribeTellsMethodAndBits) {
  const auto json = described(runs().profit.file("checkpoint.h5"));
  const auto file = read_checkpoint(runs().profit.file("checkpoint.h5"));
  EXPECT_EQ(file.method, "profit");
  EXPECT_EQ(file.description.activation, "duq");
  EXPECT_EQ(file.description.activation_bits, 4);
  EXPECT_EQ(json["tensors"].size(), 28U);
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 4) << tensor["name"];
  }
}

TEST(ProfitTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto file = runs().profit.file("checkpoint.h5");
  const auto final_count = correct_count(runs().profit.out, "final:");
  const auto own = run_tiny("bsq_train", "--method profit --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), final_count);
  EXPECT_EQ(evaluated_count(file), final_count) << "the frozen grid has the same values";
}

TEST(ProfitTools, FinetuningKeepsTheValuesAndPacksThem) {
  const auto& run = runs().finetuned;
  EXPECT_EQ(correct_count(run.out, "start:"), correct_count(runs().profit.out, "final:"));
  EXPECT_EQ(evaluated_count(run.file("best_bin.h5")), correct_count(run.out, "best:"));
}

// Starts a run of many small steps and stops it a moment after its record holds these words.
void stop_at(const std::string& words, const std::string& arguments, const std::string& folder) {
  const auto record = folder + ".txt";
  const auto result = run_command("'" + program("bsq_train") + "' " + arguments + folder + " >" + record +
                                  " & pid=$!; for i in $(seq 3000); do grep -q '" + words + "' " + record +
                                  " && break; sleep 0.02; done; sleep 0.1; kill -INT $pid; wait $pid");
  ASSERT_EQ(result.status, 130) << result.err;
}

TEST(ProfitTools, AStopInAnyPhaseLeavesNoTrace) {
  const TemporaryFolder folder;
  const auto arguments = "--threads 1 --workers 1 --train-batch 10 --test-batch 50 --data " + tiny_data() +
                         " " + profit_flags(runs().full.file("model_best.h5"));
  const auto whole = run_tool("bsq_train", arguments + folder.file("whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  int stop = 0;
  for (const std::string words : {"phase 1 of", "measuring the instability", "a third frozen"}) {
    SCOPED_TRACE(words);
    const auto parts = folder.file("parts-" + std::to_string(stop++));
    stop_at(words, arguments, parts);
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    if (words == "phase 1 of") {
      EXPECT_TRUE(described(parts + "/checkpoint.h5")["tensors"].empty()) << "float as long as it trains so";
      EXPECT_EQ(read_checkpoint(parts + "/checkpoint.h5").description.activation_bits, 32);
    }
    const auto rest = run_tool("bsq_train", "--resume --threads 1 --out " + parts);
    ASSERT_EQ(rest.status, 0) << rest.err;
    expect_same_checkpoint(folder.file("whole/checkpoint.h5"), parts + "/checkpoint.h5");
    EXPECT_EQ(read_log_without_clock(folder.file("whole/log.txt")),
              read_log_without_clock(parts + "/log.txt"));
    EXPECT_EQ(read_bytes(folder.file("whole/adjustments.csv")), read_bytes(parts + "/adjustments.csv"));
  }
}

TEST(ProfitTools, WrongCallsAreRefused) {
  const auto model = " --model " + runs().full.file("model_best.h5");
  const auto refused = [&](const std::string& flags, const std::string& part) {
    const TemporaryFolder folder;
    const auto result = run_tool(
        "bsq_train", "--method profit " + flags + model + " --out " + folder.file("x") + " " + tiny_flags());
    EXPECT_NE(result.status, 0) << flags;
    EXPECT_TRUE(holds(result.err, part)) << flags << ": " << result.err;
  };
  refused("--act 4 --epochs 3", "--epochs");
  refused("--act 4 --schedule 3", "--schedule");
  refused("--act 4 --warmup 3", "--warmup");
  refused("--act 4 --bits 3", "--bits 3: expected 4");
  refused("--act 4 --weight-steps 4,8", "bit widths that fall");
  refused("--act 6", "--act 6: expected 4");
  refused("", "float activations");
}

}  // namespace
}  // namespace bsq::test
