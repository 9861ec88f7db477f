#include "bsq/nn/quant_conv2d.h"

#include <torch/nn/modules/conv.h>
#include <torch/utils.h>

#include <sstream>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

struct Case {
  const char* name;
  QuantConv2dOptions options;
};

std::vector<Case> plain_cases() {
  const auto base = [](torch::ExpandingArray<2> kernel = 3) { return QuantConv2dOptions(4, 6, kernel); };
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
          {"same, rectangle", base({4, 1}).padding(torch::kSame).dilation({2, 1})},
          {"valid", base().padding(torch::kValid)}};
}

std::vector<Case> all_cases() {
  auto cases = plain_cases();
  for (const auto& base :
       {QuantConv2dOptions(4, 6, 3).padding({1, 2}), QuantConv2dOptions(4, 6, 3).padding(torch::kSame),
        QuantConv2dOptions(4, 6, 4).padding(torch::kSame),
        QuantConv2dOptions(4, 6, 3).padding(torch::kValid)}) {
    const auto padded = [&] { return base; };
    cases.push_back({"zeros", padded().padding_mode(torch::kZeros)});
    cases.push_back({"reflect", padded().padding_mode(torch::kReflect)});
    cases.push_back({"replicate", padded().padding_mode(torch::kReplicate)});
    cases.push_back({"circular", padded().padding_mode(torch::kCircular)});
  }
  return cases;
}

// libtorch's own layer with these tensors.
torch::Tensor reference(const QuantConv2dOptions& options, QuantConv2d& layer, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  torch::nn::Conv2d conv(options);
  conv->to(x.scalar_type());
  conv->weight.copy_(layer->weight_source().value());
  if (layer->bias_source() != nullptr) {
    conv->bias.copy_(layer->bias_source()->value());
  }
  return conv->forward(x);
}

TEST(QuantConv2d, IsConv2dInEveryForm) {
  torch::manual_seed(1);
  for (const auto& item : all_cases()) {
    for (const auto form : kForms) {
      QuantConv2d layer(item.options);
      bring_layer_to(*layer, form);
      const auto x = torch::randn({3, 4, 9, 11});
      EXPECT_TRUE(torch::equal(layer->forward(x).detach(), reference(item.options, layer, x))) << item.name;
    }
  }
}

TEST(QuantConv2d, FloatLayerStartsAsLibtorchsDoes) {
  torch::manual_seed(2);
  QuantConv2d ours(QuantConv2dOptions(3, 5, 3));
  torch::manual_seed(2);
  torch::nn::Conv2d theirs(torch::nn::Conv2dOptions(3, 5, 3));
  EXPECT_TRUE(torch::equal(ours->weight_source().value(), theirs->weight));
  EXPECT_TRUE(torch::equal(ours->bias_source()->value(), theirs->bias));
}

// libtorch 1.13's own layer exchanges the two sides here.
TEST(QuantConv2d, SamePaddingKeepsTheSizeWhereTheKernelIsNoSquare) {
  torch::manual_seed(3);
  const auto x = torch::randn({1, 4, 9, 11});
  const auto options = QuantConv2dOptions(4, 6, {4, 1}).padding(torch::kSame);
  auto reflected = options;
  QuantConv2d layer(reflected.padding_mode(torch::kReflect));
  const auto padded = torch::reflection_pad2d(x, {0, 0, 1, 2});
  EXPECT_TRUE(torch::equal(layer->forward(x), torch::conv2d(padded, layer->weight_source().value(),
                                                            layer->bias_source()->value())));
}

TEST(QuantConv2d, WorksInFloat64) {
  torch::manual_seed(4);
  for (const auto form : kForms) {
    const auto options = QuantConv2dOptions(4, 6, 3).padding(1);
    QuantConv2d layer(options);
    bring_layer_to(*layer, form);
    const auto before = value_in(layer->weight_source()).to(torch::kFloat64);
    layer->to(torch::kFloat64);
    for (const auto& parameter : layer->parameters()) {
      EXPECT_EQ(parameter.scalar_type(), torch::kFloat64);
    }
    EXPECT_TRUE(torch::allclose(value_in(layer->weight_source()), before, 1e-5, 1e-6));
    const auto x = torch::randn({2, 4, 6, 6}, torch::kFloat64);
    const auto y = layer->forward(x);
    EXPECT_EQ(y.scalar_type(), torch::kFloat64);
    EXPECT_TRUE(torch::equal(y.detach(), reference(options, layer, x)));
  }
}

// Mixed precision: weights stay float32, a layer computes in its input's type.
TEST(QuantConv2d, ComputesInItsInputsType) {
  torch::manual_seed(5);
  for (const auto form : kForms) {
    QuantConv2d layer(QuantConv2dOptions(4, 6, 3).padding(1));
    bring_layer_to(*layer, form);
    const auto x = torch::randn({2, 4, 6, 6}).to(torch::kBFloat16);
    const auto y = layer->forward(x);
    EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
    const auto rounded = [](const torch::Tensor& t) { return t.to(torch::kBFloat16).to(torch::kFloat); };
    const auto expected = torch::conv2d(x.to(torch::kFloat), rounded(value_in(layer->weight_source())),
                                        rounded(value_in(*layer->bias_source())), /*stride=*/1,
                                        /*padding=*/1);
    EXPECT_TRUE(torch::allclose(y.detach().to(torch::kFloat), expected, /*rtol=*/1.0 / 128, /*atol=*/1e-3));
  }
}

TEST(QuantConv2d, PrintsItsShapeAndBits) {
  QuantConv2d layer(3, 5, 3);
  std::ostringstream text;
  text << *layer << " ";
  layer->set_weight(plane_source(torch::ones({5, 3, 3, 3}), /*bits=*/6));
  text << *layer;
  EXPECT_EQ(text.str(),
            "bsq::QuantConv2d(weight of shape [5, 3, 3, 3]) bsq::QuantConv2d(weight of shape [5, 3, 3, 3], 6 "
            "bits)");
}

}  // namespace
}  // namespace bsq::test
