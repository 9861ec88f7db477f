#include "bsq/nn/layer_rules.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <stdexcept>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Bits = std::map<std::string, int64_t>;

std::string refusal(const LayerRules& rules) {
  SmallNetwork network;
  return message_of<std::invalid_argument>([&] { bits_of_layers(network, rules); });
}

TEST(LayerRules, LaterRulesWin) {
  SmallNetwork network;
  const auto rules = LayerRules(5).layer_bits({{"*", 3}, {"conv*", 4}, {"conv2", 6}, {"conv[1]", 7}});
  EXPECT_EQ(bits_of_layers(network, rules), (Bits{{"conv1", 7}, {"conv2", 6}, {"fc", 3}}));
}

TEST(LayerRules, KeepFloatWinsOverEveryRule) {
  SmallNetwork network;
  const auto rules = LayerRules(5).layer_bits({{"fc", 3}}).keep_float({"fc"});
  EXPECT_EQ(bits_of_layers(network, rules), (Bits{{"conv1", 5}, {"conv2", 5}, {"fc", 0}}));
}

TEST(LayerRules, AStarMatchesDots) {
  torch::nn::Module network;
  network.register_module("layer1", torch::nn::ModuleList(QuantConv2d(3, 4, 3), QuantConv2d(4, 4, 3)));
  network.register_module("layer10", QuantConv2d(4, 4, 3));
  EXPECT_EQ(bits_of_layers(network, LayerRules(8).layer_bits({{"layer1.*", 6}})),
            (Bits{{"layer1.0", 6}, {"layer1.1", 6}, {"layer10", 8}}));
}

TEST(LayerRules, DoNotSpeakOfShortcuts) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  EXPECT_EQ(bits_of_layers(network, LayerRules(8)), (Bits{{"conv1", 8}, {"fc", 8}}));
  EXPECT_THROW(bits_of_layers(network, LayerRules(8).layer_bits({{"conv2", 4}})), std::invalid_argument);
}

TEST(LayerRules, KeepFloatNamesShortcutsToo) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  const Bits expected = {{"conv1", 8}, {"conv2", 0}, {"fc", 8}};
  EXPECT_EQ(bits_of_layers(network, LayerRules(8).keep_float({"conv2"})), expected);
  EXPECT_EQ(bits_of_layers(network, LayerRules(8).layer_bits({{"conv*", 8}}).keep_float({"*2"})), expected);
  EXPECT_TRUE(contains(
      message_of<std::invalid_argument>([&] { bits_of_layers(network, LayerRules(8).keep_float({"conv"})); }),
      "the layers are conv1, conv2, fc"));
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] {
                         bits_of_layers(network, LayerRules(8).keep_float({"conv1", "fc"}));
                       }),
                       "no layer is left to convert; the layers are conv1, fc"));
}

TEST(LayerRules, RefuseWhatDoesNotFit) {
  const std::string layers = "the layers are conv1, conv2, fc";
  EXPECT_EQ(refusal(LayerRules(8).layer_bits({{"nosuch", 4}})),
            "layer-bits 'nosuch': matches no layer; " + layers);
  EXPECT_EQ(refusal(LayerRules(8).keep_float({"conv"})), "keep-float 'conv': matches no layer; " + layers);
  EXPECT_TRUE(contains(refusal(LayerRules(8).layer_bits({{"fc", 4}, {"fc", 5}})), "stands twice"));
  EXPECT_TRUE(contains(refusal(LayerRules(8).keep_float({"fc", "fc"})), "stands twice"));
  EXPECT_TRUE(contains(refusal(LayerRules(8).keep_float({"*"})), "no layer is left"));
  for (const int64_t bits : {-1, 0, 17}) {
    EXPECT_TRUE(contains(refusal(LayerRules(8).layer_bits({{"fc", bits}})), std::to_string(bits)));
    EXPECT_TRUE(contains(refusal(LayerRules(bits)), std::to_string(bits)));
  }
  torch::nn::Sequential plain(torch::nn::Linear(3, 2));
  EXPECT_THROW(bits_of_layers(*plain, LayerRules(8)), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
