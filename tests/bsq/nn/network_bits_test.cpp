#include "bsq/nn/network_bits.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/requantization.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Names = std::vector<std::string>;

template <typename Pairs>
Names names_of(const Pairs& pairs) {
  Names names;
  for (const auto& item : pairs) {
    names.push_back(item.first);
  }
  return names;
}

const Names kBitNames = {"conv1.weight", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"};

TEST(NetworkBits, FindsEveryPart) {
  SmallNetwork network(/*activation_bits=*/3);
  EXPECT_EQ(names_of(bit_layers(network)), (Names{"conv1", "conv2", "fc"}));
  EXPECT_EQ(names_of(bit_parameters(network)), kBitNames);
  EXPECT_EQ(activation_quantizers(network).size(), 1U);
  const Names floats = {"bn1.weight", "bn1.bias", "relu1.alpha", "shortcut.weight"};
  for (const auto representation : kRepresentations) {
    SmallNetwork other(/*activation_bits=*/3);
    bring_to(other, representation);
    EXPECT_EQ(names_of(float_parameters(other)), floats);
    EXPECT_EQ(names_of(bit_parameters(other)), kBitNames);
  }
}

TEST(NetworkBits, ALayersNameIsNotAPrefixOfAnothers) {
  torch::nn::Sequential network;
  network->push_back("conv", BitConv2d(3, 4, 3));
  network->push_back("conv_norm", torch::nn::BatchNorm2d(4));
  EXPECT_EQ(names_of(float_parameters(*network)), (Names{"conv_norm.weight", "conv_norm.bias"}));
}

TEST(NetworkBits, ConvertsEveryLayer) {
  SmallNetwork network;
  convert_to_bits(network, /*bits=*/5);
  EXPECT_EQ(network_representation(network), Representation::kBits);
  const Scheme expected = {{"conv1", {5, 0}}, {"conv2", {5, 5}}, {"fc", {5, 5}}};
  EXPECT_EQ(scheme_of(network), expected);
  EXPECT_THROW(convert_to_bits(network, /*bits=*/5), std::logic_error);
}

TEST(NetworkBits, ConvertsToAScheme) {
  SmallNetwork network;
  const Scheme scheme = {{"conv1", {3, 0}}, {"conv2", {8, 2}}, {"fc", {0, 4}}};
  convert_to_scheme(network, scheme);
  const Scheme expected = {{"conv1", {3, 0}}, {"conv2", {8, 2}}, {"fc", {1, 4}}};
  EXPECT_EQ(scheme_of(network), expected);
  EXPECT_TRUE(is_all_zero(network.fc->weight_bits().planes()));
  EXPECT_FALSE(is_all_zero(network.fc->bias_bits()->planes()));
}

TEST(NetworkBits, ASchemeHasToFit) {
  const auto message = [](const Scheme& scheme) {
    SmallNetwork network;
    return message_of<std::invalid_argument>([&] { convert_to_scheme(network, scheme); });
  };
  EXPECT_TRUE(contains(message({{"conv1", {3, 0}}, {"fc", {3, 3}}}), "conv2"));
  EXPECT_TRUE(
      contains(message({{"conv1", {3, 0}}, {"conv2", {8, 2}}, {"fc", {3, 3}}, {"conv9", {1, 0}}}), "conv9"));
  EXPECT_TRUE(contains(message({{"conv1", {3, 0}}, {"conv2", {17, 2}}, {"fc", {3, 3}}}), "conv2"));
  EXPECT_TRUE(contains(message({{"conv1", {3, 0}}, {"conv2", {-1, 2}}, {"fc", {3, 3}}}), "conv2"));
}

TEST(NetworkBits, ConversionNamesTheLayerThatItCannotConvert) {
  SmallNetwork network;
  {
    torch::NoGradGuard no_grad;
    network.conv2->weight_bits().weight()[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  }
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { convert_to_bits(network, /*bits=*/4); }), "conv2"));
}

TEST(NetworkBits, RequantizesAndAdjustsEveryTensor) {
  torch::manual_seed(1);
  SmallNetwork network;
  bring_to(network, Representation::kBits);
  std::vector<BitPlanes> expected;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    expected.push_back(
        adjust_precision(requantize(parameter->planes(), /*max_bits=*/8), /*threshold_percent=*/20));
  }
  requantize_network(network, /*max_bits=*/8);
  adjust_network(network, /*threshold_percent=*/20);
  size_t i = 0;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    EXPECT_TRUE(torch::equal(parameter->planes().positive, expected[i].positive)) << name;
    EXPECT_TRUE(torch::equal(parameter->planes().negative, expected[i].negative)) << name;
    EXPECT_TRUE(torch::equal(parameter->scale(), expected[i].scale)) << name;
    ++i;
  }
  EXPECT_EQ(network.named_parameters()["fc.pweight"].size(0), network.fc->weight_bits().bits());
}

TEST(NetworkBits, ChangesOfRepresentationKeepTheOutput) {
  torch::manual_seed(2);
  SmallNetwork network(/*activation_bits=*/0);
  const auto x = torch::randn({4, 3, 8, 8});
  network.forward(x);
  network.eval();
  torch::NoGradGuard no_grad;
  bring_to(network, Representation::kBits);
  const auto y = network.forward(x);
  freeze_network(network);
  EXPECT_TRUE(torch::equal(network.forward(x), y));
  unfreeze_network(network);
  EXPECT_TRUE(torch::equal(network.forward(x), y));
  adjust_network(network, /*threshold_percent=*/0);
  EXPECT_TRUE(torch::allclose(network.forward(x), y, 1e-4, 1e-5));
  const auto adjusted = network.forward(x);
  make_float_network(network);
  EXPECT_TRUE(torch::equal(network.forward(x), adjusted));
  EXPECT_EQ(network_representation(network), Representation::kFloat);
}

TEST(NetworkBits, LayersShareOneRepresentation) {
  SmallNetwork network;
  convert_to_bits(network, /*bits=*/4);
  network.fc->change([](BitParameter& parameter) { parameter.freeze(); });
  EXPECT_TRUE(contains(message_of<std::logic_error>([&] { network_representation(network); }), "fc.weight"));
  torch::nn::Linear plain(3, 2);
  EXPECT_EQ(network_representation(*plain), Representation::kFloat);
}

TEST(NetworkBits, SizesByHand) {
  SmallNetwork network(/*activation_bits=*/3);
  const Scheme scheme = {{"conv1", {3, 0}}, {"conv2", {8, 2}}, {"fc", {0, 4}}};
  convert_to_scheme(network, scheme);
  // Batch norm 4 x 8, the float convolution 64, alpha, range.
  constexpr int64_t kFloats = 32 + 64 + 1 + 1;
  auto sizes = network_sizes(network);
  EXPECT_EQ(sizes.weights, SmallNetwork::kBitWeights);
  EXPECT_EQ(sizes.bits_total, 216 * 3 + 576 * 8 + 8 * 2 + 24 * 1 + 3 * 4);
  EXPECT_EQ(sizes.stored_bits, 216 * 4 + 576 * 9 + 8 * 3 + 24 * 2 + 3 * 5 + 5 * 32 + kFloats * 32);
  EXPECT_EQ(sizes.float32_bits, 32 * (827 + kFloats));
  freeze_network(network);
  sizes = network_sizes(network);
  EXPECT_EQ(sizes.bits_total, 216 * 3 + 576 * 8 + 8 * 2 + 3 * 4) << "a frozen tensor of zeros is free";
  EXPECT_EQ(sizes.stored_bits, 216 * 4 + 576 * 9 + 8 * 3 + 3 * 5 + 4 * 32 + kFloats * 32);
}

TEST(NetworkBits, PenaltyIsTheSumOverTheTensors) {
  torch::manual_seed(3);
  SmallNetwork network;
  bring_to(network, Representation::kBits);
  double expected = 0;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    const auto& planes = parameter->planes();
    expected += static_cast<double>(parameter->numel() * parameter->bits()) / 827.0 *
                group_lasso(planes.positive, planes.negative).item<double>();
  }
  const auto penalty = network_penalty(network);
  EXPECT_NEAR(penalty.item<double>(), expected, 1e-4 * expected);
  penalty.backward();
  const auto& planes = network.fc->bias_bits()->planes();
  const auto norms = plane_norms(planes.positive, planes.negative).detach().unsqueeze(1);
  EXPECT_TRUE(torch::allclose(planes.positive.grad(), planes.positive.detach() / norms * (3.0 * 4 / 827),
                              1e-4, 1e-7));
  torch::nn::Linear plain(3, 2);
  EXPECT_EQ(network_penalty(*plain).item<double>(), 0.0);
}

TEST(NetworkBits, GradientModeReachesEveryTensor) {
  SmallNetwork network;
  convert_to_bits(network, /*bits=*/4);
  set_gradient_mode(network, GradientMode::kWeight);
  for (const auto& [name, parameter] : bit_parameters(network)) {
    EXPECT_EQ(parameter->gradient_mode(), GradientMode::kWeight) << name;
  }
}

TEST(NetworkBits, LayersInsideContainersHaveTheirPath) {
  torch::nn::Sequential inner(BitConv2d(3, 4, 3), torch::nn::ReLU());
  torch::nn::ModuleList outer(inner, BitLinear(4, 2));
  EXPECT_EQ(names_of(bit_layers(*outer)), (Names{"0.0", "1"}));
}

}  // namespace
}  // namespace bsq::test
