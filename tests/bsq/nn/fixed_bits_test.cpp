#include "bsq/nn/fixed_bits.h"

#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "bsq/quant/sign_magnitude.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

TEST(FixedBits, ConvertsByTheRules) {
  torch::manual_seed(1);
  SmallNetwork network;
  const auto before = value_in(network.conv2->weight_source());
  to_fixed_bits(network, LayerRules(5).layer_bits({{"conv2", 3}}).keep_float({"fc"}));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {5, 0}}, {"conv2", {3, 3}}}));
  EXPECT_TRUE(network.fc->weight_source().is_float());
  EXPECT_TRUE(torch::equal(value_in(network.conv2->weight_source()), value_of(to_codes(before, 3))));
}

TEST(FixedBits, ConvertsToAScheme) {
  torch::manual_seed(2);
  SmallNetwork network;
  const Scheme scheme = {{"conv1", {3, 0}}, {"conv2", {8, 2}}, {"fc", {0, 4}}};
  to_fixed_bits(network, scheme);
  EXPECT_EQ(scheme_of(network), scheme);
  EXPECT_TRUE(torch::equal(value_in(network.fc->weight_source()), torch::zeros({3, 8})));
  EXPECT_FALSE(network.named_parameters()["fc.weight"].requires_grad());
}

TEST(FixedBits, LayersThatTheSchemeLacksStayFloat) {
  SmallNetwork network;
  to_fixed_bits(network, Scheme{{"conv2", {8, 2}}});
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv2", {8, 2}}}));
  EXPECT_TRUE(network.conv1->weight_source().is_float());
}

TEST(FixedBits, ASchemeHasToFit) {
  const auto message = [](const Scheme& scheme) {
    SmallNetwork network;
    return message_of<std::invalid_argument>([&] { to_fixed_bits(network, scheme); });
  };
  EXPECT_TRUE(contains(message({{"conv1", {3, 0}}, {"conv9", {1, 0}}}), "conv9"));
  EXPECT_TRUE(contains(message({{"conv2", {17, 2}}}), "conv2"));
  EXPECT_TRUE(contains(message({{"conv2", {-1, 2}}}), "conv2"));
}

TEST(FixedBits, RulesAreCheckedBeforeAnythingIsChanged) {
  SmallNetwork network;
  EXPECT_THROW(to_fixed_bits(network, LayerRules(8).keep_float({"nosuch"})), std::invalid_argument);
  EXPECT_TRUE(is_float(network));
}

TEST(FixedBits, NamesTheTensorThatItCannotConvert) {
  SmallNetwork network;
  {
    torch::NoGradGuard no_grad;
    network.named_parameters()["conv2.bias"][0] = std::numeric_limits<float>::quiet_NaN();
  }
  const auto message = message_of<std::invalid_argument>([&] { to_fixed_bits(network, LayerRules(4)); });
  EXPECT_TRUE(begins_with(message, "conv2.bias: ")) << message;
}

}  // namespace
}  // namespace bsq::test
