#include <torch/nn/module.h>
#include <torch/utils.h>

#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "models/registry.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

using Names = std::set<std::string>;

NetworkDescription describe(int64_t depth, const std::string& block = "BasicBlock") {
  NetworkDescription description;
  description.options = {{"depth", std::to_string(depth)}, {"block-name", block}};
  return description;
}

// Layers that BSQ gives bits, and their weights and biases.
std::map<std::string, int64_t> bit_layers(torch::nn::Module& network) {
  return bits_of_layers(network, LayerRules(8));
}

int64_t count_bit_weights(torch::nn::Module& network) {
  const auto layers = bit_layers(network);
  int64_t weights = 0;
  for (const auto& ref : sources_of(network)) {
    weights += layers.count(ref.name.substr(0, ref.name.rfind('.'))) == 0 ? 0 : ref.source().numel();
  }
  return weights;
}

Names norm(const std::string& name) { return {name + ".weight", name + ".bias"}; }

TEST(ResNet, ParametersHaveThePublishedNames) {
  auto description = describe(8);
  description.activation_bits = 3;
  const auto network = make_network(description);
  Names expected = {"conv1.weight", "fc.weight", "fc.bias"};
  expected.merge(norm("bn1"));
  for (const std::string layer : {"layer1.0.", "layer2.0.", "layer3.0."}) {
    expected.merge(
        Names{layer + "conv1.weight", layer + "conv2.weight", layer + "relu1.alpha", layer + "relu2.alpha"});
    expected.merge(norm(layer + "bn1"));
    expected.merge(norm(layer + "bn2"));
    if (layer != "layer1.0.") {
      expected.insert(layer + "downsample.0.weight");
      expected.merge(norm(layer + "downsample.1"));
    }
  }
  const auto keys = network->named_parameters().keys();
  EXPECT_EQ(Names(keys.begin(), keys.end()), expected);
  EXPECT_EQ(keys.size(), expected.size());
}

TEST(ResNet, BottlenecksHaveThreeConvolutions) {
  const auto network = make_network(describe(11, "Bottleneck"));
  const auto parameters = network->named_parameters();
  for (const char* name : {"layer1.0.conv3.weight", "layer1.0.bn3.bias", "layer1.0.downsample.0.weight"}) {
    EXPECT_NE(parameters.find(name), nullptr) << name;
  }
  EXPECT_EQ(parameters["layer3.0.conv3.weight"].sizes(), at::IntArrayRef({256, 64, 1, 1}));
  EXPECT_EQ(parameters["fc.weight"].sizes(), at::IntArrayRef({10, 256}));
  EXPECT_NE(network->named_buffers().find("layer1.0.relu3.range"), nullptr);
}

TEST(ResNet, PactIsForThreeBitsAndFewer) {
  for (const int64_t bits : {0, 2, 3, 4, 32}) {
    auto description = describe(8);
    description.activation_bits = bits;
    const auto network = make_network(description);
    EXPECT_EQ(network->named_parameters().find("layer1.0.relu1.alpha") != nullptr, bits == 2 || bits == 3);
    EXPECT_EQ(network->named_buffers().find("layer1.0.relu1.range") != nullptr, bits > 0);
  }
}

TEST(ResNet, ActivationRangeReachesEveryQuantizer) {
  for (const auto range : {ActivationRange::kRunning, ActivationRange::kBatch}) {
    auto description = describe(8);
    description.activation_range = range;
    const auto network = make_network(description);
    const auto quantizers = activation_quantizers(*network);
    EXPECT_EQ(quantizers.size(), 6U);
    for (const auto* quantizer : quantizers) {
      EXPECT_EQ(quantizer->activation().needs_calibration(), range == ActivationRange::kRunning);
    }
  }
}

TEST(ResNet, Depth20HasThePublishedCounts) {
  const auto network = make_network(describe(20));
  EXPECT_EQ(count_bit_weights(*network), 268346);
  EXPECT_EQ(bit_layers(*network).size(), 20U);
  to_bits(*network, LayerRules(8));
  const auto sizes = sizes_of(*network);
  EXPECT_EQ(sizes.weights, 268346);
  EXPECT_DOUBLE_EQ(sizes.comp(), 4.0);
}

TEST(ResNet, QuantizeShortcutGivesTheShortcutsBits) {
  auto description = describe(20);
  description.options["quantize-shortcut"] = "true";
  const auto network = make_network(description);
  EXPECT_EQ(count_bit_weights(*network), 268346 + 16 * 32 + 32 * 64);
  EXPECT_EQ(bit_layers(*network).size(), 22U);
  EXPECT_NE(network->named_parameters().find("layer2.0.downsample.0.weight"), nullptr) << "the same name";
  EXPECT_EQ(network->forward(torch::zeros({1, 3, 32, 32})).sizes(), at::IntArrayRef({1, 10}));
}

TEST(ResNet, DepthsFitTheirBlocks) {
  const auto message = [](int64_t depth, const std::string& block) {
    return message_of<std::invalid_argument>([&] { make_network(describe(depth, block)); });
  };
  for (const int64_t depth : {8, 14, 18, 20, 32, 110}) {
    EXPECT_NO_THROW(make_network(describe(depth, "BasicBlock"))) << depth;
  }
  for (const int64_t depth : {11, 20, 29, 110}) {
    EXPECT_NO_THROW(make_network(describe(depth, "Bottleneck"))) << depth;
  }
  for (const int64_t depth : {9, 21, 22, 1999}) {
    EXPECT_TRUE(contains(message(depth, "BasicBlock"), "depth " + std::to_string(depth))) << depth;
    EXPECT_TRUE(contains(message(depth, "BasicBlock"), "6n+2"));
  }
  for (const int64_t depth : {8, 21, 1999}) {
    EXPECT_TRUE(contains(message(depth, "Bottleneck"), "9n+2")) << depth;
  }
  for (const int64_t depth : {-4, 0, 2, 7, 2006}) {
    EXPECT_TRUE(contains(message(depth, "BasicBlock"), "8 to 2000")) << depth;
  }
  EXPECT_TRUE(contains(message(20, "basicblock"), "basicblock"));
}

TEST(ResNet, BlocksOfDepth20And110) {
  EXPECT_EQ(bit_layers(*make_network(describe(20, "Bottleneck"))).size(), 20U);
  EXPECT_EQ(bit_layers(*make_network(describe(110))).size(), 110U);
  EXPECT_EQ(bit_layers(*make_network(describe(110, "Bottleneck"))).size(), 110U);
}

TEST(ResNet, ClassCountsHaveLimits) {
  auto description = describe(8);
  for (const int64_t classes : {2, 10, 100}) {
    description.classes = classes;
    const auto network = make_network(description);
    EXPECT_EQ(network->forward(torch::zeros({3, 3, 32, 32})).sizes(), at::IntArrayRef({3, classes}));
  }
  for (const int64_t classes : {-1, 0, 1, 100001}) {
    description.classes = classes;
    EXPECT_THROW(make_network(description), std::invalid_argument) << classes;
  }
}

TEST(ResNet, InitializationIsAsPublished) {
  torch::manual_seed(1);
  const auto network = make_network(describe(20));
  for (const auto& [name, layer] : quant_layers(*network)) {
    const auto weight = layer->weight_source().value().detach();
    if (weight.dim() != 4 || layer->role() == LayerRole::kShortcut) {
      continue;
    }
    const double expected = std::sqrt(2.0 / static_cast<double>(9 * weight.size(0)));
    const auto count = static_cast<double>(weight.numel());
    EXPECT_NEAR(weight.std().item<double>(), expected, expected * 5 / std::sqrt(2 * count)) << name;
    EXPECT_NEAR(weight.mean().item<double>(), 0, expected * 5 / std::sqrt(count)) << name;
  }
  const auto parameters = network->named_parameters();
  EXPECT_TRUE(torch::equal(parameters["layer1.0.bn1.weight"], torch::ones({16})));
  EXPECT_TRUE(torch::equal(parameters["layer1.0.bn1.bias"], torch::zeros({16})));
  EXPECT_LE(parameters["fc.weight"].abs().max().item<double>(), 1 / std::sqrt(64.0));
  EXPECT_LE(parameters["layer3.0.downsample.0.weight"].abs().max().item<double>(), 1 / std::sqrt(32.0));
}

TEST(ResNet, RunsInEveryTypeAndRepresentation) {
  torch::manual_seed(2);
  for (const int64_t bits : {3, 4}) {
    auto description = describe(8);
    description.activation_bits = bits;
    const auto network = make_network(description);
    network->to(torch::kFloat64);
    const auto x = torch::randn({2, 3, 32, 32}, torch::kFloat64);
    const auto check = [&](const char* what) {
      const auto y = network->forward(x);
      EXPECT_EQ(y.scalar_type(), torch::kFloat64) << what;
      EXPECT_TRUE(y.isfinite().all().item<bool>()) << what;
    };
    check("float, training");
    to_bits(*network, LayerRules(8));
    check("in bits");
    network->eval();
    check("in evaluation");
    make_method("frozen")->begin(*network, {LayerRules(8), /*is_training=*/true});
    check("frozen");
  }
}

TEST(ResNet, FirstReluIsNotQuantized) {
  torch::manual_seed(3);
  const auto network = make_network(describe(8));
  network->eval();
  const auto modules = network->named_children();
  EXPECT_EQ(modules.keys(), (std::vector<std::string>{"conv1", "bn1", "layer1", "layer2", "layer3", "fc"}));
}

TEST(ResNet, EveryParameterGetsAGradient) {
  torch::manual_seed(4);
  for (const std::string block : {"BasicBlock", "Bottleneck"}) {
    const auto network = make_network(describe(20, block));
    to_bits(*network, LayerRules(4));
    network->forward(torch::randn({4, 3, 32, 32})).square().sum().backward();
    for (const auto& [name, weight] : plane_weights(*network)) {
      ASSERT_TRUE(weight->weight_gradient().defined()) << name;
      EXPECT_GT(weight->weight_gradient().abs().sum().item<double>(), 0.0) << name;
    }
    for (const auto& item : network->named_parameters()) {
      const auto& name = item.key();
      const auto last = name.substr(name.rfind('.') + 1);
      if (last == "alpha" || name.find("bn") != std::string::npos) {
        ASSERT_TRUE(item.value().grad().defined()) << name;
        EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0.0) << name;
      }
    }
  }
}

TEST(ResNet, CountsMultiplyAccumulatesAndBitOperations) {
  constexpr int64_t kShortcuts = 2 * 16 * 32 * 16 * 16;
  const auto description = describe(20);
  const auto cost = cost_of(description, {});
  ASSERT_TRUE(cost.has_value());
  EXPECT_EQ(cost->layers.size(), 22U);
  EXPECT_EQ(cost->macs(), 40551040 + kShortcuts)
      << "40.55 million, and the 1x1 convolutions of two shortcuts";
  EXPECT_EQ(cost->layers[0].activation_bits, 8);
  EXPECT_EQ(cost->layers[1].activation_bits, 32) << "conv1's ReLU is not quantized";
  EXPECT_EQ(cost->layers[2].activation_bits, 4);
  EXPECT_EQ(cost->layers.back().activation_bits, 4);
  const auto four = cost_of(description, {{"layer1.0.conv2", 4}});
  EXPECT_EQ(cost->bit_operations() - four->bit_operations(), (32 - 4) * 4 * 16 * 16 * 9 * 32 * 32);
  const auto of_network = cost_of(*make_network(description), {{"layer1.0.conv2", 4}});
  ASSERT_TRUE(of_network.has_value());
  EXPECT_EQ(of_network->bit_operations(), four->bit_operations());
}

}  // namespace
}  // namespace bsq::test
