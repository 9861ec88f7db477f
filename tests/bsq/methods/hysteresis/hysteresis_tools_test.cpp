#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kBestFile = "model_best.h5";

std::string train_flags(const std::string& rest, const std::string& model) {
  return "--method hysteresis --lr 0.02 --schedule 10 --wd 0 " + rest + " --model " + model + " --out ";
}

// Full precision, the loop with trained maps, the published rule, and finetuning of what the loop gave; once
// for all tests.
struct HysteresisRuns {
  TemporaryFolder folder;
  ToolRun full, loop, published, finetuned;

  HysteresisRuns() {
    full = run("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10 --out ");
    const auto model = full.file(kBestFile);
    loop = run("loop", "bsq_train", "--epochs 2 " + train_flags("--map pact --quantize_layer3 4", model));
    published = run("published", "bsq_train", "--epochs 2 " + train_flags("--hysteresis published", model));
    finetuned = run("finetuned", "finetune",
                    "--bin --epochs 1 --lr 0.001 --model " + loop.file("checkpoint.h5") + " --out ");
  }

 private:
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) {
    return {folder.file(name), run_tiny(tool, arguments + folder.file(name))};
  }
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
  const auto log = read_log(runs().loop.file("log.txt"));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(std::count(log.at(0).begin(), log.at(0).end(), "Held %"), 1);
  EXPECT_LT(std::stod(log.at(2).at(1)), std::stod(log.at(1).at(1))) << "the loss falls";
}

TEST(HysteresisTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto file = runs().loop.file("checkpoint.h5");
  const auto final_count = correct_count(runs().loop.out, "final:");
  const auto own = run_tiny("bsq_train", "--method hysteresis --evaluate --model " + file);
  EXPECT_EQ(correct_count(own, "start:"), final_count);
  EXPECT_EQ(evaluated_count(file), final_count) << "the frozen grid has the same values";
  EXPECT_EQ(evaluated_count(runs().loop.file("final.h5")).empty(), false);
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
  const TemporaryFolder folder;
  for (const std::string rest : {"--map pact --layer-act layer1.0.conv1_input=3 --quantize-layer1 1",
                                 "--precision bf16", "--hysteresis published --map pact"}) {
    SCOPED_TRACE(rest);
    const auto whole = folder.file("whole"), parts = folder.file("parts");
    const auto flags = train_flags(rest, runs().full.file(kBestFile));
    run_tiny("bsq_train", "--epochs 3 --overwrite " + flags + whole);
    run_tiny("bsq_train", "--epochs 1 --overwrite " + flags + parts);
    const auto out = run_tiny("bsq_train", "--resume --epochs 3 --out " + parts);
    EXPECT_TRUE(holds(out, "resumed at epoch 1, step 0\n")) << out;
    expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
    EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(parts + "/log.txt"));
  }
}

// Runs with a checkpoint after every third step, killed so hard that nothing is saved on the way out; a
// moment between two epochs is tried again.
void kill_in_mid_epoch(const std::string& arguments, const std::string& folder) {
  for (int attempt = 0; attempt < 15; ++attempt) {
    std::filesystem::remove_all(folder);
    run_command("'" + program("bsq_train") + "' " + arguments + folder +
                " & pid=$!; for i in $(seq 3000); do [ -e " + folder +
                "/checkpoint.h5 ] && break; sleep 0.02; done; sleep " + std::to_string(0.1 * (attempt + 1)) +
                "; kill -KILL $pid; wait $pid");
    const auto file = read_checkpoint(folder + "/checkpoint.h5");
    if (file.training && file.training->next_step > 0) {
      return;
    }
  }
  FAIL() << "no kill fell into the middle of an epoch";
}

TEST(HysteresisTools, AKillInMidEpochLeavesNoTrace) {
  const TemporaryFolder folder;
  for (const std::string rule : {"loop --threshold 0.5", "published"}) {
    SCOPED_TRACE(rule);
    const auto whole = folder.file("whole"), parts = folder.file("parts");
    const auto flags =
        "--epochs 3 --threads 1 --workers 1 --train-batch 5 --test-batch 50 --checkpoint-steps 3 --data " +
        tiny_data() + " --overwrite " +
        train_flags("--map pact --hysteresis " + rule, runs().full.file(kBestFile));
    const auto result = run_tool("bsq_train", flags + whole);
    ASSERT_EQ(result.status, 0) << result.err;
    kill_in_mid_epoch(flags, parts);
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    const auto rest = run_tool("bsq_train", "--resume --threads 1 --out " + parts);
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_FALSE(holds(rest.out, ", step 0\n")) << rest.out;
    expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
    EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(parts + "/log.txt"));
  }
}

TEST(HysteresisTools, FinetuningKeepsTheValuesAndPacksThem) {
  const auto& run = runs().finetuned;
  EXPECT_EQ(correct_count(run.out, "start:"), correct_count(runs().loop.out, "final:"));
  const auto best = run.file("best_bin.h5");
  EXPECT_EQ(evaluated_count(best), correct_count(run.out, "best:"));
  EXPECT_EQ(evaluated_count(run.file("best_float.h5")), correct_count(run.out, "best:"));
  EXPECT_EQ(described(best)["comp"], 32);
  const auto sizes = sizes_of(read_checkpoint(best).network);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(best));
  EXPECT_LE(bytes, sizes.stored_bits / 8 + 64 * 1024);
}

TEST(HysteresisTools, SummaryAndReportKnowTheRun) {
  EXPECT_EQ(read_summary(runs().loop.folder).method, "hysteresis");
  const TemporaryFolder folder;
  const auto result = run_tool(
      "report", runs().loop.folder + " " + runs().published.folder + " --out " + folder.file("report"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(read_bytes(folder.file("report/index.html")), "hysteresis"));
}

TEST(HysteresisTools, WrongCallsAreRefused) {
  const auto model = " --model " + runs().full.file(kBestFile);
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
    const auto result =
        run_tool("bsq_train", std::string("--method hysteresis ") + flags + model + tiny_flags());
    EXPECT_EQ(result.status, 2) << flags;
    EXPECT_TRUE(holds(result.err, message)) << result.err;
  }
}

}  // namespace
}  // namespace bsq::test
