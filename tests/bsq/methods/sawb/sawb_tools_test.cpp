#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/tools/method_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kFlags = "--method sawb --lr 0.02 --pact-alpha 4 --schedule 10";

struct SawbRuns {
  ToolRun sawb = method_runs().train("sawb", std::string("--epochs 2 ") + kFlags);
  ToolRun channels =
      method_runs().train("channels", std::string("--epochs 2 --channel-wise --bits 8 --act 8 ") + kFlags);
  ToolRun fused = method_runs().run("fused", "convert", "--fuse --model " + sawb.file("checkpoint.h5"));
};

const SawbRuns& runs() {
  static const SawbRuns all;
  return all;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Without the quantizers of activations: there a difference of one rounding may grow to a whole step.
void drop_activations(Checkpoint& checkpoint) {
  checkpoint.description.activation = "uniform";
  checkpoint.description.activation_bits = 0;
  auto& state = checkpoint.network;
  state.erase(std::remove_if(state.begin(), state.end(),
                             [](const auto& item) {
                               return ends_with(item.first, ".alpha") || ends_with(item.first, ".range");
                             }),
              state.end());
}

torch::Tensor logits_of(const std::string& file, const torch::Tensor& images, bool with_activations) {
  register_methods();
  auto checkpoint = read_checkpoint(file);
  if (!with_activations) {
    drop_activations(checkpoint);
  }
  const auto network = make_network(checkpoint.description);
  load_network(*network, checkpoint.network);
  network->eval();
  torch::NoGradGuard no_grad;
  return network->forward(images);
}

void expect_same_logits(const std::string& file, const std::string& other) {
  torch::manual_seed(1);
  const auto images = torch::randn({64, 3, 32, 32});
  const auto a = logits_of(file, images, /*with_activations=*/false);
  const auto b = logits_of(other, images, /*with_activations=*/false);
  EXPECT_LE((a - b).abs().max().item<double>(), 1e-5 * std::max(1.0, a.abs().max().item<double>()));
  EXPECT_TRUE(torch::equal(a.argmax(1), b.argmax(1)));
  const auto c = logits_of(file, images, /*with_activations=*/true);
  const auto d = logits_of(other, images, /*with_activations=*/true);
  EXPECT_LE((c - d).abs().mean().item<double>(), 0.01 * c.abs().mean().item<double>());
  EXPECT_GE(c.argmax(1).eq(d.argmax(1)).sum().item<int64_t>(), 62) << "of 64";
}

TEST(SawbTools, DescribeTellsBitsPlacesAndCoefficients) {
  const auto json = described(runs().sawb.file("checkpoint.h5"));
  EXPECT_EQ(json["tensors"].size(), 10U) << "conv1, six of blocks, two shortcuts, fc";
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 4) << tensor["name"];
    EXPECT_EQ(tensor["rule"], "clip 12.987 sigma - 13.156 mean|w| (BNFusionTrain), one a layer");
  }
  const auto text = run_tool("describe", runs().channels.file("checkpoint.h5"));
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_TRUE(holds(text.out, "kind pact, place input")) << text.out;
  EXPECT_TRUE(holds(text.out, "one a channel")) << text.out;
}

TEST(SawbTools, TrainingLearnsAndTellsThePublishedPenalty) {
  expect_learns(runs().sawb);
  const auto log = read_log(runs().sawb.file("log.txt"));
  ASSERT_EQ(log.size(), 3U);
  const auto& names = log.at(0);
  const auto column = std::find(names.begin(), names.end(), "Alpha Reg") - names.begin();
  ASSERT_LT(static_cast<size_t>(column), names.size());
  const double penalty = std::stod(log.at(2).at(static_cast<size_t>(column)));
  EXPECT_NEAR(penalty, 5e-4 * 9 * 16, 0.02) << "nine alphas near 4";
}

TEST(SawbTools, EvaluationAgreesWithTheRunThatWroteTheFile) {
  expect_evaluation_agrees(runs().sawb, "--method sawb");
  expect_evaluation_agrees(runs().channels, "--method sawb");
}

TEST(SawbTools, MoreEpochsAreBitForBitThoseOfOneRun) {
  expect_more_epochs_are_those_of(runs().channels, std::string("--channel-wise --bits 8 --act 8 ") + kFlags);
}

TEST(SawbTools, AFusedNetworkComputesTheSame) {
  const auto file = runs().fused.file("model_best.h5");
  expect_same_logits(runs().sawb.file("checkpoint.h5"), file);
  EXPECT_EQ(evaluated_count(file), correct_count(runs().fused.out, "after:"));
  const auto checkpoint = read_checkpoint(file);
  EXPECT_EQ(checkpoint.description.norm, "none");
  for (const auto& [name, stored] : checkpoint.network) {
    EXPECT_FALSE(holds(name, "bn1") || holds(name, "running_mean")) << name;
  }
  EXPECT_TRUE(holds(run_tool("describe", file).out, "norm none"));
  EXPECT_EQ(described(file)["comp"], described(runs().sawb.file("checkpoint.h5"))["comp"]);
}

TEST(SawbTools, AFusedBsqNetworkComputesTheSame) {
  const TemporaryFolder folder;
  const auto model = tiny_runs().bsq().file("checkpoint.h5");
  run_tiny("convert", "--fuse --model " + model + " --out " + folder.file("fused"));
  expect_same_logits(model, folder.file("fused/model_best.h5"));
}

TEST(SawbTools, AFusedNetworkIsFinetuned) {
  const TemporaryFolder folder;
  const auto out =
      run_tiny("finetune", "--bin --epochs 1 --lr 0.001 --model " + runs().fused.file("model_best.h5") +
                               " --out " + folder.file("tuned"));
  EXPECT_EQ(correct_count(out, "start:"), correct_count(runs().fused.out, "after:"));
  EXPECT_EQ(evaluated_count(folder.file("tuned/best_bin.h5")), correct_count(out, "best:"));
}

TEST(SawbTools, WrongCallsAreRefused) {
  const auto full = " --model " + method_runs().start();
  expect_refused("bsq_train", "--method sawb --bits 6" + full, 2, "--bits 6: expected 2, 3, 4, 5 or 8");
  expect_refused("bsq_train", "--method sawb --act 9" + full, 2, "9 bits; expected 2 to 8");
  expect_refused("bsq_train", "--method sawb -a preresnet --depth 8", 2,
                 "layer2.0.downsample.0_input: reads values below 0");
  expect_refused("bsq_train", "--method sawb --channel-wise --clip twice-mean" + full, 2, "one a layer");
  const auto own = " --model " + runs().channels.file("checkpoint.h5");
  expect_refused("bsq_train", "--method sawb --clip twice-mean" + own, 2,
                 "--clip twice-mean contradicts the model file, which has statistics");
  expect_refused("bsq_train", "--method sawb --fuse-norm --channel-wise" + own, 2,
                 "--fuse-norm true contradicts the model file, which has false");
  expect_refused("bsq_train", "--method sawb --channel-wise --model " + runs().sawb.file("checkpoint.h5"), 2,
                 "--channel-wise true contradicts the model file, which has false");
  run_tiny("bsq_train", "--method sawb --evaluate --channel-wise --clip statistics" + own);
  expect_refused("convert", "--fuse" + full, 1, "holds no bits");
  expect_refused("convert", "--fuse --bits 4 --model " + runs().sawb.file("model_best.h5"), 2, "--fuse");
  expect_refused("convert", "--fuse --model " + runs().fused.file("model_best.h5"), 1, "no batch norm");
}

}  // namespace
}  // namespace bsq::test
