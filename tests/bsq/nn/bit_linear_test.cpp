#include "bsq/nn/bit_linear.h"

#include <sstream>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

TEST(BitLinear, IsLinearInEveryRepresentation) {
  torch::manual_seed(1);
  for (const bool has_bias : {true, false}) {
    for (const auto representation : kRepresentations) {
      for (const auto type : {torch::kFloat32, torch::kFloat64}) {
        BitLinear layer(BitLinearOptions(7, 5).bias(has_bias));
        layer->change([&](BitParameter& parameter) { bring_to(parameter, representation); });
        layer->to(type);
        torch::NoGradGuard no_grad;
        const auto x = torch::randn({4, 7}, type);
        const auto bias = has_bias ? layer->bias_bits()->value() : torch::Tensor();
        const auto expected = torch::linear(x, layer->weight_bits().value(), bias);
        EXPECT_TRUE(torch::equal(layer->forward(x), expected));
      }
    }
  }
}

TEST(BitLinear, FloatLayerStartsAsLibtorchsDoes) {
  torch::manual_seed(2);
  BitLinear ours(7, 5);
  torch::manual_seed(2);
  torch::nn::Linear theirs(7, 5);
  EXPECT_TRUE(torch::equal(ours->weight_bits().value(), theirs->weight));
  EXPECT_TRUE(torch::equal(ours->bias_bits()->value(), theirs->bias));
}

TEST(BitLinear, PrintsItsShape) {
  std::ostringstream text;
  text << BitLinearImpl(7, 5);
  EXPECT_EQ(text.str(), "bsq::BitLinear(weight of shape [5, 7])");
}

}  // namespace
}  // namespace bsq::test
