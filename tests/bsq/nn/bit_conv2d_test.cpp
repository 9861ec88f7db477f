#include "bsq/nn/bit_conv2d.h"

#include <sstream>

#include "bsq/methods/bsq/reconstruction.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

struct Case {
  const char* name;
  BitConv2dOptions options;
};

std::vector<Case> plain_cases() {
  const auto base = [](torch::ExpandingArray<2> kernel = 3) { return BitConv2dOptions(4, 6, kernel); };
  return {{"plain", base()},
          {"one by one", base(1)},
          {"rectangle", base({3, 1}).padding({1, 0})},
          {"stride", base().stride(2).padding(1)},
          {"two strides", base().stride({1, 3}).padding({2, 1})},
          {"dilation", base().dilation(2).padding(2)},
          {"groups", base().groups(2).padding(1)},
          {"no bias", base().padding(1).bias(false)},
          {"same", base().padding(torch::kSame)},
          {"same, dilated", base().padding(torch::kSame).dilation(2)},
          {"same, even kernel", base(4).padding(torch::kSame)},
          {"valid", base().padding(torch::kValid)}};
}

std::vector<Case> all_cases() {
  auto cases = plain_cases();
  for (const bool same : {false, true}) {
    const auto padded = [&] {
      auto options = BitConv2dOptions(4, 6, 3);
      return same ? options.padding(torch::kSame) : options.padding({1, 2});
    };
    cases.push_back({"zeros", padded().padding_mode(torch::kZeros)});
    cases.push_back({"reflect", padded().padding_mode(torch::kReflect)});
    cases.push_back({"replicate", padded().padding_mode(torch::kReplicate)});
    cases.push_back({"circular", padded().padding_mode(torch::kCircular)});
  }
  return cases;
}

// libtorch's own layer with these tensors.
torch::Tensor reference(const BitConv2dOptions& options, BitConv2d& layer, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  torch::nn::Conv2d conv(options);
  conv->to(x.scalar_type());
  conv->weight.copy_(layer->weight_bits().value());
  if (layer->bias_bits() != nullptr) {
    conv->bias.copy_(layer->bias_bits()->value());
  }
  return conv->forward(x);
}

TEST(BitConv2d, IsConv2dInEveryRepresentation) {
  torch::manual_seed(1);
  for (const auto& item : all_cases()) {
    for (const auto representation : kRepresentations) {
      BitConv2d layer(item.options);
      layer->change([&](BitParameter& parameter) { bring_to(parameter, representation); });
      const auto x = torch::randn({3, 4, 9, 11});
      EXPECT_TRUE(torch::equal(layer->forward(x).detach(), reference(item.options, layer, x))) << item.name;
    }
  }
}

TEST(BitConv2d, FloatLayerStartsAsLibtorchsDoes) {
  torch::manual_seed(2);
  BitConv2d ours(BitConv2dOptions(3, 5, 3));
  torch::manual_seed(2);
  torch::nn::Conv2d theirs(torch::nn::Conv2dOptions(3, 5, 3));
  EXPECT_TRUE(torch::equal(ours->weight_bits().value(), theirs->weight));
  EXPECT_TRUE(torch::equal(ours->bias_bits()->value(), theirs->bias));
}

TEST(BitConv2d, ComputesWithTheReconstructedPlanes) {
  torch::manual_seed(3);
  BitConv2d layer(4, 6, 3);
  layer->change([](BitParameter& parameter) { bring_to(parameter, Representation::kBits); });
  torch::NoGradGuard no_grad;
  const auto value = [](const BitPlanes& planes) {
    return round_value(plane_value(planes.positive, planes.negative), planes.bits()) * planes.scale;
  };
  const auto x = torch::randn({2, 4, 5, 5});
  const auto expected =
      torch::conv2d(x, value(layer->weight_bits().planes()), value(layer->bias_bits()->planes()));
  for (const auto mode : {GradientMode::kPlanes, GradientMode::kWeight}) {
    layer->weight_bits().set_gradient_mode(mode);
    layer->bias_bits()->set_gradient_mode(mode);
    EXPECT_TRUE(torch::equal(layer->forward(x), expected));
  }
}

TEST(BitConv2d, WorksInFloat64) {
  torch::manual_seed(4);
  for (const auto representation : kRepresentations) {
    const auto options = BitConv2dOptions(4, 6, 3).padding(1);
    BitConv2d layer(options);
    layer->change([&](BitParameter& parameter) { bring_to(parameter, representation); });
    const auto before = layer->weight_bits().value().detach().to(torch::kFloat64);
    layer->to(torch::kFloat64);
    for (const auto& parameter : layer->parameters()) {
      EXPECT_EQ(parameter.scalar_type(), torch::kFloat64);
    }
    EXPECT_TRUE(torch::allclose(layer->weight_bits().value().detach(), before, 1e-5, 1e-6));
    const auto x = torch::randn({2, 4, 6, 6}, torch::kFloat64);
    const auto y = layer->forward(x);
    EXPECT_EQ(y.scalar_type(), torch::kFloat64);
    EXPECT_TRUE(torch::equal(y.detach(), reference(options, layer, x)));
  }
}

TEST(BitConv2d, PrintsItsShapeAndWidth) {
  BitConv2d layer(3, 5, 3);
  std::ostringstream text;
  text << *layer << " ";
  layer->change([](BitParameter& parameter) { parameter.convert(6); });
  text << *layer;
  EXPECT_EQ(
      text.str(),
      "bsq::BitConv2d(weight of shape [5, 3, 3, 3]) bsq::BitConv2d(weight of shape [5, 3, 3, 3], 6 bits)");
}

}  // namespace
}  // namespace bsq::test
