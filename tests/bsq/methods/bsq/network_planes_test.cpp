#include "bsq/methods/bsq/network_planes.h"

#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/bsq/requantization.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

// conv1 at 6 bits, conv2 at 8, fc float.
void convert_some(SmallNetwork& network) {
  to_bits(network, LayerRules(8).layer_bits({{"conv1", 6}}).keep_float({"fc"}));
}

TEST(NetworkPlanes, ConvertsWeightAndBiasAtTheirBits) {
  torch::manual_seed(1);
  SmallNetwork network;
  const auto conv1 = value_in(network.conv1->weight_source());
  to_bits(network, LayerRules(8).layer_bits({{"fc", 3}}));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {8, 0}}, {"conv2", {8, 8}}, {"fc", {3, 3}}}));
  const auto expected = to_bit_planes(conv1, 8);
  const auto& planes = planes_in(network.conv1->weight_source());
  EXPECT_TRUE(torch::equal(planes.positive, expected.positive));
  EXPECT_TRUE(torch::equal(planes.negative, expected.negative));
  EXPECT_TRUE(torch::equal(planes.scale, expected.scale));
}

TEST(NetworkPlanes, ANetworkInBitsIsNotConvertedAgain) {
  SmallNetwork network;
  convert_some(network);
  EXPECT_THROW(to_bits(network, LayerRules(4)), std::logic_error);
  EXPECT_EQ(plane_weights(network).size(), 3U);
}

TEST(NetworkPlanes, RulesAreCheckedBeforeAnythingIsChanged) {
  SmallNetwork network;
  EXPECT_THROW(to_bits(network, LayerRules(8).keep_float({"nosuch"})), std::invalid_argument);
  EXPECT_TRUE(is_float(network));
}

TEST(NetworkPlanes, ShortcutsStayFloat) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  to_bits(network, LayerRules(8));
  EXPECT_TRUE(network.conv2->weight_source().is_float());
  EXPECT_EQ(scheme_of(network).count("conv2"), 0U);
}

TEST(NetworkPlanes, ConversionNamesTheTensorThatItCannotConvert) {
  SmallNetwork network;
  {
    torch::NoGradGuard no_grad;
    network.named_parameters()["conv2.bias"][0] = std::numeric_limits<float>::quiet_NaN();
  }
  const auto message = message_of<std::invalid_argument>([&] { to_bits(network, LayerRules(/*bits=*/4)); });
  EXPECT_TRUE(begins_with(message, "conv2.bias: ")) << message;
}

TEST(NetworkPlanes, LayersThatStayFloatAreOrdinaryParameters) {
  SmallNetwork network;
  const auto before = value_in(network.fc->weight_source());
  convert_some(network);
  EXPECT_TRUE(torch::equal(value_in(network.fc->weight_source()), before));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {6, 0}}, {"conv2", {8, 8}}}));
  network.forward(torch::randn({2, 3, 8, 8})).square().sum().backward();
  EXPECT_GT(network.named_parameters()["fc.weight"].grad().abs().sum().item<double>(), 0.0);
}

TEST(NetworkPlanes, EveryOperationPassesOverLayersThatStayFloat) {
  SmallNetwork network;
  convert_some(network);
  const auto before = value_in(network.fc->weight_source());
  network_penalty(network).backward();
  EXPECT_FALSE(network.named_parameters()["fc.weight"].grad().defined());
  requantize_network(network, /*max_bits=*/8);
  adjust_network(network, /*threshold_percent=*/0);
  to_planes(network);
  EXPECT_TRUE(torch::equal(value_in(network.fc->weight_source()), before));
  make_float(network);
  to_bits(network, LayerRules(4));
  EXPECT_EQ(scheme_of(network).size(), 3U) << "a float network keeps nothing float";
}

TEST(NetworkPlanes, RequantizesAndAdjustsEveryTensor) {
  torch::manual_seed(2);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  std::vector<BitPlanes> expected;
  for (const auto& [name, weight] : plane_weights(network)) {
    expected.push_back(
        adjust_precision(requantize(weight->planes(), /*max_bits=*/8), /*threshold_percent=*/20));
  }
  requantize_network(network, /*max_bits=*/8);
  adjust_network(network, /*threshold_percent=*/20);
  size_t i = 0;
  for (const auto& [name, weight] : plane_weights(network)) {
    EXPECT_TRUE(torch::equal(weight->planes().positive, expected[i].positive)) << name;
    EXPECT_TRUE(torch::equal(weight->planes().negative, expected[i].negative)) << name;
    EXPECT_TRUE(torch::equal(weight->planes().scale, expected[i].scale)) << name;
    ++i;
  }
  EXPECT_EQ(i, 5U);
  EXPECT_EQ(network.named_parameters()["fc.pweight"].size(0), network.fc->weight_source().bits());
}

// Planes of every grid's values. Those of sign and magnitude, which training has stored, come back exactly.
TEST(NetworkPlanes, MakesPlanesOfFrozenWeights) {
  torch::manual_seed(3);
  SmallNetwork network;
  bring_to(network, Form::kFrozen);
  const auto before = value_in(network.conv2->weight_source());
  to_planes(network);
  EXPECT_EQ(plane_weights(network).size(), 5U);
  EXPECT_TRUE(torch::equal(value_in(network.conv2->weight_source()), before));
  EXPECT_EQ(network.conv2->weight_source().bits(), 4);
}

TEST(NetworkPlanes, ZeroBitsBecomeOnePlaneOfZeros) {
  SmallNetwork network;
  Codes zeros;
  zeros.integers = torch::zeros({3, 8}, torch::kInt32);
  zeros.scale = torch::tensor(0.7F);
  zeros.format = sign_magnitude(0);
  network.fc->set_weight(make_frozen(zeros));
  to_planes(network);
  EXPECT_EQ(network.fc->weight_source().bits(), 1);
  EXPECT_TRUE(is_all_zero(planes_in(network.fc->weight_source())));
  EXPECT_EQ(planes_in(network.fc->weight_source()).scale.item<float>(), 0.7F);
}

TEST(NetworkPlanes, OtherGridsAreRoundedToAsManyBits) {
  torch::manual_seed(4);
  SmallNetwork network;
  Codes twos;
  twos.integers = torch::randint(-4, 4, {3, 8}, torch::kInt32);
  twos.scale = torch::rand({3}).add_(0.1);
  twos.format = twos_complement(3);
  network.fc->set_weight(make_frozen(twos));
  to_planes(network);
  const auto expected = to_bit_planes(value_of(twos), /*bits=*/3);
  EXPECT_TRUE(torch::equal(planes_in(network.fc->weight_source()).positive, expected.positive));
}

TEST(NetworkPlanes, ChangesOfFormKeepTheOutput) {
  torch::manual_seed(5);
  SmallNetwork network(/*activation_bits=*/0);
  const auto x = torch::randn({4, 3, 8, 8});
  network.forward(x);
  network.eval();
  torch::NoGradGuard no_grad;
  bring_to(network, Form::kPlanes);
  const auto y = network.forward(x);
  for (const auto& ref : coded_sources(network)) {
    ref.set(make_frozen(*ref.source().codes()));
  }
  EXPECT_TRUE(torch::equal(network.forward(x), y));
  to_planes(network);
  EXPECT_TRUE(torch::equal(network.forward(x), y));
  adjust_network(network, /*threshold_percent=*/0);
  EXPECT_TRUE(torch::allclose(network.forward(x), y, 1e-4, 1e-5));
  const auto adjusted = network.forward(x);
  make_float(network);
  EXPECT_TRUE(torch::equal(network.forward(x), adjusted));
}

TEST(NetworkPlanes, PenaltyIsTheSumOverTheTensors) {
  torch::manual_seed(6);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  double expected = 0;
  for (const auto& [name, weight] : plane_weights(network)) {
    const auto& planes = weight->planes();
    expected += static_cast<double>(weight->numel() * weight->bits()) / SmallNetwork::kWeights *
                group_lasso(planes.positive, planes.negative).item<double>();
  }
  const auto penalty = network_penalty(network);
  EXPECT_NEAR(penalty.item<double>(), expected, 1e-4 * expected);
  penalty.backward();
  const auto& planes = planes_in(*network.fc->bias_source());
  const auto norms = plane_norms(planes.positive, planes.negative).detach().unsqueeze(1);
  EXPECT_TRUE(torch::allclose(planes.positive.grad(), planes.positive.detach() / norms * (3.0 * 4 / 827),
                              1e-4, 1e-7));
  torch::nn::Linear plain(3, 2);
  EXPECT_EQ(network_penalty(*plain).item<double>(), 0.0);
}

}  // namespace
}  // namespace bsq::test
