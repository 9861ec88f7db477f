#include <torch/utils.h>

#include <map>
#include <stdexcept>
#include <string>

#include "bsq/base/options.h"
#include "bsq/graph/conv_norms.h"
#include "bsq/graph/folded_norm.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "models/registry.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

using FusionOptions = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<Method> fusing_sawb(const FusionOptions& more = {}) {
  auto method = make_method("sawb");
  OptionTable table;
  method->add_options(table);
  table.set("fuse-norm", "true");
  table.set("pact-alpha", "4");
  for (const auto& [name, text] : more) {
    table.set(name, text);
  }
  return method;
}

NetworkDescription small_resnet() {
  NetworkDescription description;
  description.options = {{"depth", "8"}};
  description.classes = 3;
  return description;
}

std::shared_ptr<Network> fused_network(Method& method, const LayerRules& rules = LayerRules(4)) {
  auto network = make_network(method.adapted(small_resnet()));
  method.begin(*network, {rules});
  return network;
}

torch::Tensor logits_in_evaluation(Network& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

// One step with running statistics and gains that move.
void train_a_step(Network& network, Method& method) {
  network.train();
  const auto optimizer = method.make_optimizer(network, SgdOptions());
  network.forward(torch::randn({8, 3, 16, 16})).square().sum().backward();
  optimizer->step(/*learning_rate=*/0.001);
  StepSums sums;
  method.after_step(network, sums);
}

void expect_current_gains(Network& network) {
  for (const auto& pair : conv_norms(*network.program())) {
    const auto* weight = folded_weight(*pair.layer);
    ASSERT_NE(weight, nullptr) << pair.layer_path;
    EXPECT_TRUE(torch::equal(weight->gain(), norm_gain(*pair.norm))) << pair.norm_path;
  }
}

TEST(SawbFuseNorm, EveryConvolutionInFrontOfANormIsFolded) {
  torch::manual_seed(1);
  const auto method = fusing_sawb({{"channel-wise", "true"}});
  const auto network = fused_network(*method);
  std::map<std::string, std::string> kinds;
  for (const auto& ref : coded_sources(*network)) {
    kinds[ref.name] = ref.source().kind();
  }
  EXPECT_EQ(kinds.size(), 10U);
  EXPECT_EQ(kinds["conv1.weight"], "sawb_channel_folded");
  EXPECT_EQ(kinds["layer2.0.downsample.0.weight"], "sawb_folded");
  EXPECT_EQ(kinds["fc.weight"], "sawb") << "no norm behind it";
  expect_current_gains(*network);
}

TEST(SawbFuseNorm, GainsFollowStatisticsThatAreEstimatedAnew) {
  torch::manual_seed(1);
  const auto method = fusing_sawb();
  const auto network = fused_network(*method);
  for (auto& buffer : network->named_buffers()) {
    if (buffer.key().find("running_var") != std::string::npos) {
      buffer.value().mul_(4);
    }
  }
  method->after_estimate(*network);
  expect_current_gains(*network);
}

TEST(SawbFuseNorm, GainsFollowTheNormsAtEveryStep) {
  torch::manual_seed(2);
  const auto method = fusing_sawb();
  const auto network = fused_network(*method);
  for (int64_t step = 0; step < 3; ++step) {
    const auto before = folded_weight(*conv_norms(*network->program())[0].layer)->gain().clone();
    train_a_step(*network, *method);
    expect_current_gains(*network);
    EXPECT_FALSE(torch::equal(folded_weight(*conv_norms(*network->program())[0].layer)->gain(), before));
  }
}

TEST(SawbFuseNorm, LayersThatStayFloatKeepTheirNorms) {
  const auto method = fusing_sawb();
  const auto network = fused_network(*method, LayerRules(4).keep_float({"conv1"}));
  EXPECT_TRUE(conv_norms(*network->program())[0].layer->weight_source().is_float());
  train_a_step(*network, *method);
}

TEST(SawbFuseNorm, StatesComeBackWithEveryValue) {
  torch::manual_seed(3);
  for (const FusionOptions& options :
       {FusionOptions{}, FusionOptions{{"channel-wise", "true"}}, FusionOptions{{"clip", "twice-mean"}}}) {
    const auto method = fusing_sawb(options);
    const auto network = fused_network(*method, LayerRules(4).layer_bits({{"layer1.*", 2}, {"fc", 8}}));
    train_a_step(*network, *method);
    const auto x = torch::randn({4, 3, 16, 16});
    const auto logits = logits_in_evaluation(*network, x);
    for (const auto& state : {save_network(*network), codes_of_network(*network), float_state(*network)}) {
      const auto other = make_network(network->description());
      load_network(*other, state);
      EXPECT_TRUE(torch::equal(logits_in_evaluation(*other, x), logits));
    }
    const auto state = save_network(*network);
    EXPECT_EQ(sizes_of(state).stored_bits, sizes_of(*network).stored_bits);
    EXPECT_EQ(scheme_of(state), scheme_of(*network));
    const auto again = make_network(network->description());
    load_network(*again, state);
    method->begin(*again, {LayerRules(8)});
    expect_same_state(save_network(*again), state);
  }
}

TEST(SawbFuseNorm, FinetuningBeginsWithEveryValue) {
  torch::manual_seed(4);
  const auto method = fusing_sawb();
  const auto network = fused_network(*method);
  train_a_step(*network, *method);
  const auto x = torch::randn({4, 3, 16, 16});
  const auto logits = logits_in_evaluation(*network, x);
  make_method("frozen")->begin(*network, {LayerRules(8), /*is_training=*/false});
  EXPECT_TRUE(torch::equal(logits_in_evaluation(*network, x), logits));
}

std::string refusal_of(Network& network) {
  return message_of<std::invalid_argument>([&] { fusing_sawb()->begin(network, {LayerRules(4)}); });
}

TEST(SawbFuseNorm, RefusesNetworksWhoseNormsHaveNoConvolutionOfTheirOwn) {
  for (const std::string architecture : {"preresnet", "densenet"}) {
    NetworkDescription description;
    description.architecture = architecture;
    if (architecture == "preresnet") {
      description.activation_rules = {{"*.downsample.0_input", 0}};  // PACT has no integers for what it reads
    }
    const auto network = make_network(fusing_sawb()->adapted(description));
    const auto message = refusal_of(*network);
    EXPECT_EQ(message.rfind("--fuse-norm: ", 0), 0U) << message;
    EXPECT_NE(message.find("expected"), std::string::npos) << message;
    EXPECT_TRUE(is_float(*network)) << "nothing has changed";
  }
  SmallNetwork by_hand(/*activation_bits=*/0);
  EXPECT_EQ(refusal_of(by_hand),
            "--fuse-norm: the forward pass is written by hand: nobody knows what reads a norm's value");
  NetworkDescription alexnet;
  alexnet.architecture = "alexnet";
  EXPECT_EQ(refusal_of(*make_network(fusing_sawb()->adapted(alexnet))),
            "--fuse-norm: has no batch norm; expected one or more");
}

TEST(SawbFuseNorm, ANetworkInTrainingKeepsItsForm) {
  using Form = std::map<std::string, std::string>;
  const auto plain = make_method("sawb");
  auto network = make_network(plain->adapted(small_resnet()));
  EXPECT_EQ(plain->form(*network), Form()) << "not sawb's yet";
  plain->begin(*network, {LayerRules(4)});
  EXPECT_EQ(plain->form(*network),
            (Form{{"channel-wise", "false"}, {"clip", "statistics"}, {"fuse-norm", "false"}}));
  const auto method = fusing_sawb();
  const auto fused = fused_network(*method);
  EXPECT_EQ(plain->form(*fused).at("fuse-norm"), "true");
  const auto state = save_network(*fused);
  plain->begin(*fused, {LayerRules(4)});
  expect_same_state(save_network(*fused), state);
}

TEST(SawbFuseNorm, TwoForwardsBeforeAStepAddUp) {
  torch::manual_seed(5);
  const auto method = fusing_sawb();
  const auto network = fused_network(*method);
  const auto state = save_network(*network);
  const auto other = make_network(network->description());
  load_network(*other, state);
  const auto x1 = torch::randn({4, 3, 16, 16}), x2 = torch::randn({4, 3, 16, 16});
  const auto first = network->forward(x1).square().sum(), second = network->forward(x2).square().sum();
  first.backward();
  second.backward();
  other->forward(x1).square().sum().backward();
  other->forward(x2).square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    EXPECT_TRUE(torch::equal(item.value().grad(), other->named_parameters()[item.key()].grad()))
        << item.key();
  }
}

/// A trainer of a fused network.
struct FusedRun {
  FusedRun(const NetworkState& start, const ImageDataset& data, int64_t epochs, int64_t stop_after = -1)
      : method(fusing_sawb()),
        network(loaded(*method, start)),
        training(data, loader_options(/*batch_size=*/32, /*is_training=*/true)),
        validation(data, loader_options(/*batch_size=*/40)),
        recorder(stop_after),
        trainer(network, *method, training, validation, options(epochs), recorder) {}

  static std::shared_ptr<Network> loaded(Method& method, const NetworkState& start) {
    auto network = make_network(method.adapted(small_resnet()));
    load_network(*network, start);
    method.adopt(*network);
    return network;
  }
  static TrainerOptions options(int64_t epochs) {
    TrainerOptions options;
    options.epochs = epochs;
    options.learning_rate = 0.02;
    options.weight_decay = 1e-4;
    options.schedule = {};
    options.reestimate = 2;
    return options;
  }

  std::unique_ptr<Method> method;
  std::shared_ptr<Network> network;
  BatchLoader training, validation;
  Recorder recorder;
  Trainer trainer;
};

TEST(SawbFuseNorm, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(6);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = save_network(*fused_network(*fusing_sawb()));
  FusedRun whole(start, data, /*epochs=*/2);
  ASSERT_TRUE(whole.trainer.run());
  expect_current_gains(*whole.network);
  for (int64_t stop = 1; stop < 6; ++stop) {
    FusedRun part(start, data, /*epochs=*/2, stop);
    ASSERT_FALSE(part.trainer.run());
    FusedRun rest(save_network(*part.network), data, /*epochs=*/2);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
  }
}

TEST(SawbFuseNorm, FewBitsLearn) {
  for (const int64_t bits : {3, 4}) {
    torch::manual_seed(7);
    const auto data = easy_images(/*count=*/192);
    FusedRun run(save_network(*fused_network(*fusing_sawb(), LayerRules(bits))), data, /*epochs=*/6);
    ASSERT_TRUE(run.trainer.run());
    const auto& reports = run.recorder.reports;
    EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss) << bits;
    EXPECT_GT(reports.back().validation.top1(), 90) << bits;
  }
}

}  // namespace
}  // namespace bsq::test
