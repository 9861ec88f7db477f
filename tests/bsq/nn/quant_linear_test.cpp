#include "bsq/nn/quant_linear.h"

#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <sstream>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

TEST(QuantLinear, IsLinearInEveryForm) {
  torch::manual_seed(1);
  for (const bool has_bias : {true, false}) {
    for (const auto form : kForms) {
      for (const auto type : {torch::kFloat32, torch::kFloat64}) {
        QuantLinear layer(QuantLinearOptions(7, 5).bias(has_bias));
        bring_layer_to(*layer, form);
        layer->to(type);
        torch::NoGradGuard no_grad;
        const auto x = torch::randn({4, 7}, type);
        const auto bias = has_bias ? layer->bias_source()->value() : torch::Tensor();
        const auto expected = torch::linear(x, layer->weight_source().value(), bias);
        EXPECT_TRUE(torch::equal(layer->forward(x), expected));
      }
    }
  }
}

TEST(QuantLinear, FloatLayerStartsAsLibtorchsDoes) {
  torch::manual_seed(2);
  QuantLinear ours(7, 5);
  torch::manual_seed(2);
  torch::nn::Linear theirs(7, 5);
  EXPECT_TRUE(torch::equal(ours->weight_source().value(), theirs->weight));
  EXPECT_TRUE(torch::equal(ours->bias_source()->value(), theirs->bias));
}

TEST(QuantLinear, PrintsItsShape) {
  std::ostringstream text;
  text << QuantLinearImpl(7, 5);
  EXPECT_EQ(text.str(), "bsq::QuantLinear(weight of shape [5, 7])");
}

}  // namespace
}  // namespace bsq::test
