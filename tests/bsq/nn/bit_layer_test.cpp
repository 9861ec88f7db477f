#include "bsq/nn/bit_layer.h"

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Names = std::vector<std::string>;

Names names_of(Representation representation, bool has_bias) {
  BitLinear layer(BitLinearOptions(4, 3).bias(has_bias));
  layer->change([&](BitParameter& parameter) { bring_to(parameter, representation); });
  return layer->named_parameters().keys();
}

TEST(BitLayer, RegistersThePublishedNames) {
  EXPECT_EQ(names_of(Representation::kFloat, true), (Names{"weight", "bias"}));
  EXPECT_EQ(names_of(Representation::kFloat, false), (Names{"weight"}));
  EXPECT_EQ(names_of(Representation::kBits, true),
            (Names{"pweight", "nweight", "scale", "pbias", "nbias", "biasscale"}));
  EXPECT_EQ(names_of(Representation::kBits, false), (Names{"pweight", "nweight", "scale"}));
  EXPECT_EQ(names_of(Representation::kFrozen, true), (Names{"weight", "scale", "bias", "biasscale"}));
  EXPECT_EQ(names_of(Representation::kFrozen, false), (Names{"weight", "scale"}));
}

TEST(BitLayer, RegistersTheTensorsThatItComputesWith) {
  torch::manual_seed(1);
  BitConv2d layer(3, 4, 3);
  layer->change([](BitParameter& parameter) { parameter.convert(5); });
  const auto parameters = layer->named_parameters();
  EXPECT_EQ(parameters["pweight"].data_ptr(), layer->weight_bits().planes().positive.data_ptr());
  EXPECT_EQ(parameters["biasscale"].data_ptr(), layer->bias_bits()->planes().scale.data_ptr());
  EXPECT_EQ(parameters["pweight"].size(0), 5);
  for (const auto& item : parameters) {
    EXPECT_TRUE(item.value().requires_grad()) << item.key();
  }
}

TEST(BitLayer, ZeroBitsHaveNothingToTrain) {
  BitLinear layer(4, 3);
  layer->change([](BitParameter& parameter) {
    const auto shape = parameter.shape().vec();
    parameter.set_planes(planes_of(torch::zeros(shape), /*bits=*/2, torch::tensor(1.0F)));
    parameter.freeze();
  });
  for (const auto& item : layer->named_parameters()) {
    EXPECT_FALSE(item.value().requires_grad()) << item.key();
  }
  EXPECT_TRUE(torch::equal(layer->forward(torch::ones({2, 4})), torch::zeros({2, 3})));
}

TEST(BitLayer, GradientModesAgree) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    BitConv2d layer(BitConv2dOptions(3, 4, 3).padding(1));
    layer->to(type);
    layer->change([&](BitParameter& parameter) { bring_to(parameter, Representation::kBits, type); });
    const auto x = torch::randn({2, 3, 6, 6}, type);
    const auto upstream = torch::randn({2, 4, 6, 6}, type);
    const auto backward = [&](GradientMode mode) {
      layer->weight_bits().set_gradient_mode(mode);
      layer->bias_bits()->set_gradient_mode(mode);
      layer->forward(x).backward(upstream);
    };
    backward(GradientMode::kPlanes);
    backward(GradientMode::kWeight);
    for (auto* parameter : {&layer->weight_bits(), layer->bias_bits()}) {
      const auto& planes = parameter->planes();
      const auto gradient = parameter->weight_gradient();
      ASSERT_TRUE(gradient.defined());
      for (int64_t plane = 0; plane < planes.bits(); ++plane) {
        const auto expected = gradient * planes.scale.detach() *
                              (static_cast<double>(digit_weight(planes.bits(), plane)) /
                               static_cast<double>(max_integer(planes.bits())));
        EXPECT_TRUE(torch::allclose(planes.positive.grad()[plane], expected, 1e-4, 1e-5));
        EXPECT_TRUE(torch::allclose(planes.negative.grad()[plane], -expected, 1e-4, 1e-5));
      }
      const auto scale = gradient.mul(parameter->rounded_value()).sum();
      EXPECT_TRUE(torch::allclose(planes.scale.grad(), scale, 1e-4, 1e-4));
      parameter->clear_weight_gradient();
      EXPECT_FALSE(parameter->weight_gradient().defined());
    }
  }
}

template <typename Layer>
void expect_deep_clone(Layer layer, const torch::Tensor& x) {
  for (const auto representation : kRepresentations) {
    Layer original = std::dynamic_pointer_cast<typename Layer::ContainedType>(layer->clone());
    original->change([&](BitParameter& parameter) { bring_to(parameter, representation); });
    Layer copy = std::dynamic_pointer_cast<typename Layer::ContainedType>(original->clone());
    torch::NoGradGuard no_grad;
    const auto y = original->forward(x);
    ASSERT_TRUE(torch::equal(copy->forward(x), y));
    ASSERT_EQ(copy->named_parameters().keys(), original->named_parameters().keys());
    for (auto& parameter : original->parameters()) {
      parameter.add_(0.5);
    }
    EXPECT_TRUE(torch::equal(copy->forward(x), y)) << "the copy does not follow the original";
    const auto changed = original->forward(x);
    for (auto& parameter : copy->parameters()) {
      EXPECT_TRUE(parameter.requires_grad());
      parameter.zero_();
    }
    EXPECT_TRUE(torch::equal(original->forward(x), changed)) << "nor the original the copy";
    EXPECT_TRUE(torch::equal(copy->forward(x), torch::zeros_like(y)))
        << "the copy computes with its own parameters";
  }
}

TEST(BitLayer, ClonesDeeply) {
  torch::manual_seed(3);
  expect_deep_clone(BitConv2d(BitConv2dOptions(3, 4, 3).padding(1)), torch::randn({2, 3, 5, 5}));
  expect_deep_clone(BitConv2d(BitConv2dOptions(3, 4, 3).bias(false)), torch::randn({2, 3, 5, 5}));
  expect_deep_clone(BitLinear(6, 4), torch::randn({2, 6}));
}

TEST(BitLayer, CloneKeepsTheGradientMode) {
  BitLinear layer(4, 3);
  layer->change([](BitParameter& parameter) { parameter.convert(3); });
  layer->weight_bits().set_gradient_mode(GradientMode::kWeight);
  const auto copy = std::dynamic_pointer_cast<BitLinearImpl>(layer->clone());
  EXPECT_EQ(copy->weight_bits().gradient_mode(), GradientMode::kWeight);
}

}  // namespace
}  // namespace bsq::test
