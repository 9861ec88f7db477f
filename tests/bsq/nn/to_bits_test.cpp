#include "bsq/nn/to_bits.h"

#include <limits>
#include <stdexcept>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Widths = std::map<std::string, int64_t>;

std::string refusal(const ToBitsOptions& options) {
  SmallNetwork network;
  const auto message = message_of<std::invalid_argument>([&] { to_bits(network, options); });
  EXPECT_EQ(network_representation(network), Representation::kFloat) << "nothing is changed";
  EXPECT_EQ(bit_layers(network).size(), 3U) << "nothing is changed";
  return message;
}

// conv1 at 6 bits, conv2 at 8, fc float.
void convert_some(SmallNetwork& network) {
  to_bits(network, ToBitsOptions(8).layer_bits({{"conv1", 6}}).keep_float({"fc"}));
}

TEST(ToBits, LaterRulesWin) {
  SmallNetwork network;
  const auto options = ToBitsOptions(5).layer_bits({{"*", 3}, {"conv*", 4}, {"conv2", 6}, {"conv[1]", 7}});
  EXPECT_EQ(layer_widths(network, options), (Widths{{"conv1", 7}, {"conv2", 6}, {"fc", 3}}));
}

TEST(ToBits, AStarMatchesDots) {
  torch::nn::Module network;
  network.register_module("layer1", torch::nn::ModuleList(BitConv2d(3, 4, 3), BitConv2d(4, 4, 3)));
  network.register_module("layer10", BitConv2d(4, 4, 3));
  EXPECT_EQ(layer_widths(network, ToBitsOptions(8).layer_bits({{"layer1.*", 6}})),
            (Widths{{"layer1.0", 6}, {"layer1.1", 6}, {"layer10", 8}}));
}

TEST(ToBits, ConvertsWeightAndBiasAtTheirWidth) {
  SmallNetwork network;
  to_bits(network, ToBitsOptions(8).layer_bits({{"fc", 3}}));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {8, 0}}, {"conv2", {8, 8}}, {"fc", {3, 3}}}));
}

TEST(ToBits, RefusesWhatDoesNotFit) {
  const std::string layers = "the layers are conv1, conv2, fc";
  EXPECT_EQ(refusal(ToBitsOptions(8).layer_bits({{"nosuch", 4}})),
            "layer-bits 'nosuch': matches no layer; " + layers);
  EXPECT_EQ(refusal(ToBitsOptions(8).keep_float({"conv"})), "keep-float 'conv': matches no layer; " + layers);
  EXPECT_TRUE(contains(refusal(ToBitsOptions(8).layer_bits({{"fc", 4}, {"fc", 5}})), "stands twice"));
  EXPECT_TRUE(contains(refusal(ToBitsOptions(8).keep_float({"fc", "fc"})), "stands twice"));
  EXPECT_TRUE(contains(refusal(ToBitsOptions(8).keep_float({"*"})), "no layer is left"));
  for (const int64_t bits : {-1, 0, 17}) {
    EXPECT_TRUE(contains(refusal(ToBitsOptions(8).layer_bits({{"fc", bits}})), std::to_string(bits)));
    EXPECT_TRUE(contains(refusal(ToBitsOptions(bits)), std::to_string(bits)));
  }
  torch::nn::Sequential plain(torch::nn::Linear(3, 2));
  EXPECT_THROW(to_bits(*plain, ToBitsOptions(8)), std::invalid_argument);
}

TEST(ToBits, ANetworkInBitsIsNotConvertedAgain) {
  SmallNetwork network;
  convert_some(network);
  EXPECT_THROW(to_bits(network, ToBitsOptions(4)), std::logic_error);
  EXPECT_EQ(bit_layers(network).size(), 2U);
}

TEST(ToBits, KeptLayersAreFloatParameters) {
  SmallNetwork network;
  const auto before = network.fc->weight_bits().weight().detach().clone();
  convert_some(network);
  EXPECT_TRUE(torch::equal(network.fc->weight_bits().weight(), before));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {6, 0}}, {"conv2", {8, 8}}}));
  EXPECT_EQ(network_representation(network), Representation::kBits);
  bool is_float_parameter = false;
  for (const auto& [name, tensor] : float_parameters(network)) {
    is_float_parameter |= name == "fc.weight" && tensor.requires_grad();
  }
  EXPECT_TRUE(is_float_parameter);
}

TEST(ToBits, KeptLayersCountAsFloatInWhatIsStoredAlone) {
  SmallNetwork network;
  SmallNetwork all;
  convert_some(network);
  to_bits(all, ToBitsOptions(8).layer_bits({{"conv1", 6}}));
  const auto sizes = network_sizes(network);
  const int64_t in_conv1 = 3 * 8 * 9;
  const int64_t in_conv2 = 8 * 8 * 9 + 8;
  const int64_t in_fc = SmallNetwork::kBitWeights - in_conv1 - in_conv2;
  EXPECT_EQ(sizes.weights, in_conv1 + in_conv2);
  EXPECT_EQ(sizes.bits_total, in_conv1 * 6 + in_conv2 * 8);
  EXPECT_EQ(sizes.float32_bits, network_sizes(all).float32_bits);
  const int64_t scales = 2 * 32;
  EXPECT_EQ(sizes.stored_bits, network_sizes(all).stored_bits + in_fc * (32 - 9) - scales);
}

TEST(ToBits, EveryOperationPassesOverKeptLayers) {
  SmallNetwork network;
  convert_some(network);
  const auto before = network.fc->weight_bits().weight().detach().clone();
  network_penalty(network).backward();
  EXPECT_FALSE(network.fc->weight_bits().weight().grad().defined());
  requantize_network(network, /*max_bits=*/8);
  adjust_network(network, /*threshold_percent=*/0);
  freeze_network(network);
  EXPECT_EQ(network_representation(network), Representation::kFrozen);
  unfreeze_network(network);
  EXPECT_TRUE(torch::equal(network.fc->weight_bits().weight(), before));
  make_float_network(network);
  EXPECT_EQ(bit_layers(network).size(), 3U) << "a float network keeps nothing float";
  to_bits(network, ToBitsOptions(4));
  EXPECT_EQ(scheme_of(network).size(), 3U);
}

TEST(ToBits, AStateSaysWhichLayersAreKept) {
  for (const bool is_frozen : {false, true}) {
    SmallNetwork network;
    convert_some(network);
    if (is_frozen) {
      freeze_network(network);
    }
    const auto state = save_network(network);
    for (const bool was_in_bits : {false, true}) {
      SmallNetwork other;
      if (was_in_bits) {
        to_bits(other, ToBitsOptions(3));
      }
      load_network(other, state);
      EXPECT_EQ(scheme_of(other), scheme_of(network));
      expect_same_state(save_network(other), state);
    }
  }
}

TEST(ToBits, AFloatStateKeepsNothingFloat) {
  SmallNetwork network;
  const auto state = save_network(network);
  convert_some(network);
  load_network(network, state);
  EXPECT_EQ(network_representation(network), Representation::kFloat);
  EXPECT_EQ(bit_layers(network).size(), 3U);
}

TEST(ToBits, KeptLayersAreTrained) {
  SmallNetwork network;
  convert_some(network);
  network.forward(torch::randn({2, 3, 8, 8})).square().sum().backward();
  EXPECT_GT(network.fc->weight_bits().weight().grad().abs().sum().item<double>(), 0.0);
}

}  // namespace
}  // namespace bsq::test
