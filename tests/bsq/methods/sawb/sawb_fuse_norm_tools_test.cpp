#include <gtest/gtest.h>
#include <torch/utils.h>

#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kFuseFlags = "--method sawb --fuse-norm --lr 0.02 --pact-alpha 4 --schedule 10";

struct FusedRuns {
  ToolRun fused = method_runs().train("fuse-norm", std::string("--epochs 2 ") + kFuseFlags);
  ToolRun converted =
      method_runs().run("converted", "convert", "--fuse --model " + fused.file("checkpoint.h5"));
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

TEST(SawbFuseNormTools, TrainingLearns) { expect_learns(fused_runs().fused); }

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
  expect_evaluation_agrees(fused_runs().fused, "--method sawb");
}

TEST(SawbFuseNormTools, FinetuningBeginsWithTheSameValues) {
  const auto finetuned = method_runs().finetune("fuse-norm-finetuned", fused_runs().fused);
  EXPECT_EQ(correct_count(finetuned.out, "start:"), correct_count(fused_runs().fused.out, "final:"));
  EXPECT_EQ(evaluated_count(finetuned.file("best_bin.h5")), correct_count(finetuned.out, "best:"));
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

TEST(SawbFuseNormTools, AKillInMidEpochLeavesNoTrace) { expect_a_kill_leaves_no_trace(kFuseFlags); }

TEST(SawbFuseNormTools, WrongCallsAreRefused) {
  expect_refused("bsq_train",
                 "--method sawb --fuse-norm -a preresnet --layer-act '*.downsample.0_input=0' --epochs 1", 0,
                 "--fuse-norm: layer1.0.bn1: conv1 has other readers too");
  expect_refused("bsq_train", "--method lsq --fuse-norm --epochs 1", 0, "fuse-norm");
}

}  // namespace
}  // namespace bsq::test
