#include <gtest/gtest.h>
#include <torch/utils.h>

#include <filesystem>

#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string fuse_norm_flags(const std::string& model) {
  return "--method sawb --fuse-norm --lr 0.02 --pact-alpha 4 --schedule 10 --model " + model + " --out ";
}

// Full precision, SAWB with fused norms from it, its conversion; once for all tests.
struct FusedRuns {
  TemporaryFolder folder;
  ToolRun full, fused, converted;

  FusedRuns() {
    full = run("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10 --out ");
    fused = run("fused", "bsq_train", "--epochs 2 " + fuse_norm_flags(full.file("model_best.h5")));
    converted = run("converted", "convert", "--fuse --model " + fused.file("checkpoint.h5") + " --out ");
  }

 private:
  ToolRun run(const std::string& name, const std::string& tool, const std::string& arguments) {
    return {folder.file(name), run_tiny(tool, arguments + folder.file(name))};
  }
};

const FusedRuns& fused_runs() {
  static const FusedRuns all;
  return all;
}

torch::Tensor logits_of_file(const std::string& file, const torch::Tensor& images) {
  register_methods();
  const auto checkpoint = read_checkpoint(file);
  const auto network = make_network(checkpoint.description);
  load_network(*network, checkpoint.network);
  network->eval();
  torch::NoGradGuard no_grad;
  return network->forward(images);
}

TEST(SawbFuseNormTools, TrainingLearns) {
  const auto log = read_log(fused_runs().fused.file("log.txt"));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_LT(std::stod(log.at(2).at(1)), std::stod(log.at(1).at(1))) << "the loss falls";
}

TEST(SawbFuseNormTools, DescribeTellsWhatIsQuantized) {
  const auto json = described(fused_runs().fused.file("checkpoint.h5"));
  ASSERT_EQ(json["tensors"].size(), 10U);
  const std::string rule = "clip 12.987 sigma - 13.156 mean|w| (BNFusionTrain), one a layer";
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 4) << tensor["name"];
    EXPECT_EQ(tensor["rule"],
              tensor["name"] == "fc.weight" ? rule : rule + ", of the weights times the norm's gain");
  }
}

TEST(SawbFuseNormTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto file = fused_runs().fused.file("checkpoint.h5");
  const auto count = correct_count(fused_runs().fused.out, "final:");
  EXPECT_EQ(evaluated_count(file), count);
  EXPECT_EQ(correct_count(run_tiny("bsq_train", "--method sawb --evaluate --model " + file), "start:"),
            count);
  const TemporaryFolder folder;
  const auto out =
      run_tiny("finetune", "--bin --epochs 1 --lr 0.001 --model " + file + " --out " + folder.file("tuned"));
  EXPECT_EQ(correct_count(out, "start:"), count);
  EXPECT_EQ(evaluated_count(folder.file("tuned/best_bin.h5")), correct_count(out, "best:"));
}

TEST(SawbFuseNormTools, AConvertedNetworkHasNoNormsAndOneScaleALayer) {
  const auto file = fused_runs().converted.file("model_best.h5");
  EXPECT_EQ(evaluated_count(file), correct_count(fused_runs().converted.out, "after:"));
  const auto checkpoint = read_checkpoint(file);
  EXPECT_EQ(checkpoint.description.norm, "none");
  int64_t coded = 0;
  for (const auto& [name, stored] : checkpoint.network) {
    if (stored.encoding == Encoding::kCodes) {
      ++coded;
      EXPECT_EQ(stored.scale.dim(), 0) << name;
    }
    EXPECT_FALSE(holds(name, "gain")) << name;
  }
  EXPECT_EQ(coded, 10);
  torch::manual_seed(1);
  const auto images = torch::randn({64, 3, 32, 32});
  const auto before = logits_of_file(fused_runs().fused.file("checkpoint.h5"), images),
             after = logits_of_file(file, images);
  // A difference of one rounding may grow to a whole step of an activation.
  EXPECT_LE((before - after).abs().mean().item<double>(), 0.01 * before.abs().mean().item<double>());
}

// Runs with a checkpoint after every third step, killed so hard that nothing is saved on the way out; a
// moment between two epochs is tried again.
void kill_in_mid_epoch(const std::string& arguments, const std::string& folder) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::filesystem::remove_all(folder);
    run_command("'" + program("bsq_train") + "' " + arguments + folder +
                " & pid=$!; for i in $(seq 3000); do [ -e " + folder +
                "/checkpoint.h5 ] && break; sleep 0.02; done; sleep 0.2; kill -KILL $pid; wait $pid");
    const auto file = read_checkpoint(folder + "/checkpoint.h5");
    if (file.training && file.training->next_step > 0) {
      return;
    }
  }
  FAIL() << "no kill fell into the middle of an epoch";
}

TEST(SawbFuseNormTools, AKillInMidEpochLeavesNoTrace) {
  const TemporaryFolder folder;
  const auto whole = folder.file("whole"), parts = folder.file("parts");
  const auto flags =
      "--epochs 3 --threads 1 --workers 1 --train-batch 5 --test-batch 50 --checkpoint-steps 3 --data " +
      tiny_data() + " --overwrite " + fuse_norm_flags(fused_runs().full.file("model_best.h5"));
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

TEST(SawbFuseNormTools, WrongCallsAreRefused) {
  const auto expect_refused = [](const std::string& arguments, const std::string& words) {
    const TemporaryFolder folder;
    const auto result = run_tool("bsq_train", arguments + tiny_flags() + " --out " + folder.file("out"));
    EXPECT_NE(result.status, 0);
    EXPECT_TRUE(holds(result.err, words)) << result.err;
    EXPECT_FALSE(holds(result.err, "terminate")) << result.err;
  };
  expect_refused("--method sawb --fuse-norm -a preresnet --epochs 1",
                 "--fuse-norm: layer1.0.bn1: conv1 has other readers too");
  expect_refused("--method lsq --fuse-norm --epochs 1", "fuse-norm");
}

}  // namespace
}  // namespace bsq::test
