#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/methods.h"
#include "bsq/methods/sawb/pact_activation.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/network_sizes.h"
#include "models/registry.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

std::unique_ptr<Method> sawb(const Options& options = {}) {
  auto method = make_method("sawb");
  OptionTable table;
  method->add_options(table);
  for (const auto& [name, text] : options) {
    table.set(name, text);
  }
  return method;
}

// A ResNet-8 as the programs begin with it.
std::shared_ptr<Network> sawb_resnet(Method& method, const LayerRules& rules = LayerRules(4)) {
  NetworkDescription description;
  description.options = {{"depth", "8"}};
  auto network = make_network(method.adapted(description));
  method.begin(*network, {rules});
  return network;
}

std::string kind_of(Network& network, const std::string& name) {
  for (const auto& ref : sources_of(network)) {
    if (ref.name == name) {
      return ref.source().kind();
    }
  }
  ADD_FAILURE() << "no " << name;
  return "";
}

torch::Tensor evaluated(Network& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

TEST(SawbMethod, EveryLayerHasBitsAndAPactInFrontExceptWhereTheImageIsRead) {
  torch::manual_seed(1);
  const auto method = sawb();
  const auto network = sawb_resnet(*method);
  std::set<std::string> coded;
  for (const auto& ref : coded_sources(*network)) {
    EXPECT_EQ(ref.source().kind(), "sawb") << ref.name;
    EXPECT_EQ(ref.source().bits(), 4) << ref.name;
    coded.insert(ref.name.substr(0, ref.name.rfind('.')));
  }
  const auto parameters = network->named_parameters();
  for (const auto& [path, layer] : quant_layers(*network)) {
    EXPECT_EQ(coded.count(path), 1U) << path;
    EXPECT_EQ(parameters.contains(path + "_input.alpha"), path != "conv1") << path;
  }
  EXPECT_EQ(coded.count("layer2.0.downsample.0"), 1U);
  EXPECT_EQ(network->description().activation, "pact");
  EXPECT_EQ(network->description().activation_place, ActivationPlace::kInput);
  EXPECT_EQ(kind_of(*network, "fc.bias"), "float");
}

TEST(SawbMethod, AShortcutThatTheUserKeepsFloatStaysSo) {
  const auto method = sawb();
  const auto network = sawb_resnet(*method, LayerRules(4).keep_float({"layer2.0.downsample.0"}));
  EXPECT_EQ(kind_of(*network, "layer2.0.downsample.0.weight"), "float");
  EXPECT_EQ(kind_of(*network, "layer3.0.downsample.0.weight"), "sawb");
  EXPECT_EQ(kind_of(*network, "layer2.0.conv1.weight"), "sawb");
}

TEST(SawbMethod, ChannelsOfConvolutionsAlone) {
  const auto method = sawb({{"channel-wise", "true"}});
  const auto network = sawb_resnet(*method);
  EXPECT_EQ(kind_of(*network, "conv1.weight"), "sawb_channel");
  EXPECT_EQ(kind_of(*network, "layer2.0.conv1.weight"), "sawb_channel");
  EXPECT_EQ(kind_of(*network, "layer2.0.downsample.0.weight"), "sawb");
  EXPECT_EQ(kind_of(*network, "fc.weight"), "sawb");
  const auto state = save_network(*network);
  EXPECT_EQ(sizes_of(state).stored_bits, sizes_of(*network).stored_bits) << "a scale a channel is counted";
  EXPECT_EQ(sizes_of(codes_of_network(*network)).stored_bits, sizes_of(*network).stored_bits);
}

TEST(SawbMethod, StatesComeBackWithEveryValue) {
  torch::manual_seed(2);
  for (const Options& options :
       {Options{}, Options{{"channel-wise", "true"}}, Options{{"clip", "twice-mean"}}}) {
    const auto method = sawb(options);
    const auto network = sawb_resnet(*method, LayerRules(4).layer_bits({{"layer1.*", 2}, {"fc", 8}}));
    const auto x = torch::rand({2, 3, 32, 32});
    const auto logits = evaluated(*network, x);
    for (const auto& state : {save_network(*network), codes_of_network(*network)}) {
      const auto other = make_network(network->description());
      load_network(*other, state);
      EXPECT_TRUE(torch::equal(evaluated(*other, x), logits));
      EXPECT_EQ(scheme_of(*other), scheme_of(*network));
    }
    const auto again = make_network(network->description());
    load_network(*again, save_network(*network));
    method->begin(*again, {LayerRules(8)});
    expect_same_state(save_network(*again), save_network(*network));
  }
}

TEST(SawbMethod, RefusesBitsThatItHasNoCoefficientsFor) {
  const auto message = [](const LayerRules& rules) {
    return message_of<std::invalid_argument>([&] { sawb()->check_rules(rules); });
  };
  EXPECT_EQ(message(LayerRules(6)), "--bits 6: expected 2, 3, 4, 5 or 8, as --method sawb needs");
  EXPECT_EQ(message(LayerRules(4).layer_bits({{"fc", 7}})),
            "--layer-bits fc=7: expected 2, 3, 4, 5 or 8, as --method sawb needs");
  for (const int64_t bits : {2, 3, 4, 5, 8}) {
    sawb()->check_rules(LayerRules(bits));
  }
}

TEST(SawbMethod, ANetworkInTrainingKeepsItsClipsAndTellsThem) {
  for (const auto& [option, text] : Options{{"channel-wise", "true"}, {"clip", "twice-mean"}}) {
    const auto network = sawb_resnet(*sawb({{option, text}}));
    const auto state = save_network(*network);
    const auto other = sawb();
    EXPECT_EQ(other->form(*network).at(option), text);
    other->begin(*network, {LayerRules(4)});
    expect_same_state(save_network(*network), state);
  }
}

TEST(SawbMethod, AlphaStartsWhereTheUserWantsUnlessItIsTrained) {
  const auto method = sawb({{"pact-alpha", "3"}});
  NetworkDescription description;
  description.options = {{"depth", "8"}};
  const auto network = make_network(method->adapted(description));
  network->named_parameters()["fc_input.alpha"].detach().fill_(1.25);
  method->begin(*network, {LayerRules(4)});
  EXPECT_EQ(network->named_parameters()["fc_input.alpha"].item<double>(), 1.25);
  EXPECT_EQ(network->named_parameters()["layer1.0.conv1_input.alpha"].item<double>(), 3);
}

TEST(SawbMethod, MeasuresThePublishedPenaltyAndHasNoGradientOfIt) {
  const auto method = sawb({{"pact-alpha", "2"}, {"a-lambda", "0.01"}});
  const auto network = sawb_resnet(*method);
  // Nine layers read no image: six convolutions, two shortcuts and fc.
  EXPECT_NEAR(method->measure(*network, {}, 1, Sizes()).at(0), 0.01 * 9 * 4, 1e-9);
  EXPECT_EQ(method->metric_names(), (std::vector<std::string>{"Alpha Reg"}));
  EXPECT_FALSE(method->loss_term(*network).defined());
}

TEST(SawbMethod, AlphaHasAFloorAfterTheStep) {
  const auto method = sawb();
  const auto network = sawb_resnet(*method);
  const auto optimizer = method->make_optimizer(*network, SgdOptions());
  auto alpha = network->named_parameters()["fc_input.alpha"];
  alpha.mutable_grad() = torch::ones_like(alpha);
  optimizer->step(/*learning_rate=*/1e6);
  EXPECT_EQ(alpha.item<float>(), 1e-3F);
}

TEST(SawbMethod, FinetuningBeginsWithEveryValue) {
  torch::manual_seed(3);
  const auto network = sawb_resnet(*sawb({{"channel-wise", "true"}}));
  const auto x = torch::rand({2, 3, 32, 32});
  const auto logits = evaluated(*network, x);
  make_method("frozen")->begin(*network, {LayerRules(8)});
  EXPECT_TRUE(torch::equal(evaluated(*network, x), logits));
}

}  // namespace
}  // namespace bsq::test
