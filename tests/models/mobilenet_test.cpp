#include <torch/nn/module.h>
#include <torch/utils.h>

#include <set>
#include <stdexcept>

#include "bsq/nn/layers_of.h"
#include "models/registry.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

NetworkDescription describe(const std::string& multiplier) {
  NetworkDescription description;
  description.architecture = "mobilenet_v1";
  description.options["multiplier"] = multiplier;
  description.activation_bits = 0;
  return description;
}

int64_t parameters_of(torch::nn::Module& network) {
  int64_t count = 0;
  for (const auto& parameter : network.parameters()) {
    count += parameter.numel();
  }
  return count;
}

TEST(MobileNetV1, HasThePublishedCounts) {
  EXPECT_EQ(parameters_of(*make_network(describe("0.75"))), 1824250);
  EXPECT_EQ(parameters_of(*make_network(describe("1"))), 3217226);
  EXPECT_EQ(parameters_of(*make_network(describe("0.25"))), 215642);
  const auto network = make_network(describe("0.75"));
  int64_t weights = 0;
  for (const auto& ref : sources_of(*network)) {
    weights += ref.is_bias ? 0 : ref.source().numel();
  }
  EXPECT_EQ(weights, 1807824);
  EXPECT_EQ(quant_layers(*network).size(), 28U);
}

TEST(MobileNetV1, LayersHaveThePublishedNames) {
  const auto network = make_network(describe("0.25"));
  const auto keys = network->named_parameters().keys();
  const std::set<std::string> names(keys.begin(), keys.end());
  for (const char* name : {"model.0.0.weight", "model.0.1.bias", "model.1.0.weight", "model.1.1.weight",
                           "model.13.3.weight", "model.13.4.bias", "fc.weight", "fc.bias"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
  EXPECT_EQ(names.size(), 27U * 3 + 2);
}

TEST(MobileNetV1, MapsShrinkToTwoPixels) {
  const auto description = describe("0.75");
  const auto network = make_network(description);
  network->eval();
  EXPECT_EQ(network->forward(torch::zeros({2, 3, 32, 32})).sizes(), at::IntArrayRef({2, 10}));
  const auto program = program_of(description);
  ASSERT_TRUE(program.has_value());
  std::vector<int64_t> sides;
  for (const auto& node : program->nodes()) {
    if (const auto* conv = std::get_if<op::Conv>(&node.operation); conv != nullptr && conv->groups > 1) {
      sides.push_back(node.shape[1]);
    }
  }
  EXPECT_EQ(sides, (std::vector<int64_t>{32, 16, 16, 8, 8, 4, 4, 4, 4, 4, 4, 2, 2}));
}

TEST(MobileNetV1, ActivationsStandWhereAMethodWantsThem) {
  auto description = describe("0.25");
  description.activation_bits = 4;
  EXPECT_EQ(activation_quantizers(*make_network(description)).size(), 27U);
  description.activation_place = ActivationPlace::kInput;
  EXPECT_EQ(activation_quantizers(*make_network(description)).size(), 27U) << "all layers but the first";
}

TEST(MobileNetV1, MultipliersHaveARange) {
  for (const char* multiplier : {"0", "-1", "5", "x"}) {
    EXPECT_THROW(make_network(describe(multiplier)), std::invalid_argument) << multiplier;
  }
}

TEST(MobileNetV1, RebuildingKeepsCountersWhole) {
  auto description = describe("0.25");
  const auto network = make_network(description);
  description.activation_bits = 4;
  description.activation_place = ActivationPlace::kInput;
  for (const auto& item : rebuild(*network, description)->named_buffers()) {
    if (item.key().find("num_batches_tracked") != std::string::npos) {
      EXPECT_EQ(item.value().scalar_type(), torch::kInt64) << item.key();
    }
  }
}

NetworkDescription describe_v2(const std::string& stride_free, int64_t classes) {
  NetworkDescription description;
  description.architecture = "mobilenet_v2";
  description.options["stride-free"] = stride_free;
  description.classes = classes;
  description.activation_bits = 0;
  return description;
}

TEST(MobileNetV2, HasTorchvisionsCountAndNames) {
  const auto network = make_network(describe_v2("0", 1000));
  EXPECT_EQ(parameters_of(*network), 3504872);
  EXPECT_EQ(quant_layers(*network).size(), 53U);
  const auto keys = network->named_parameters().keys();
  const std::set<std::string> names(keys.begin(), keys.end());
  for (const char* name :
       {"features.0.0.weight", "features.0.1.bias", "features.1.conv.0.0.weight", "features.1.conv.1.weight",
        "features.1.conv.2.weight", "features.2.conv.0.0.weight", "features.2.conv.1.1.bias",
        "features.2.conv.2.weight", "features.2.conv.3.bias", "features.18.0.weight", "classifier.1.bias"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
  EXPECT_EQ(names.size(), 158U);
}

TEST(MobileNetV2, StrideFreeKeepsMapsOfSmallImages) {
  const auto side = [](const std::string& stride_free) {
    const auto program = program_of(describe_v2(stride_free, 10));
    int64_t last = 0;
    for (const auto& node : program->nodes()) {
      last = std::holds_alternative<op::Conv>(node.operation) ? node.shape[1] : last;
    }
    return last;
  };
  EXPECT_EQ(side("0"), 1);
  EXPECT_EQ(side("2"), 4);
  EXPECT_EQ(side("5"), 32);
}

// Published: a quantizer with a sign at the entry of every block but the first, and before the last 1x1
// convolution.
TEST(MobileNetV2, QuantizersBehindLinearBottlenecksKnowThatTheyReadBothSigns) {
  auto description = describe_v2("2", 10);
  description.activation_bits = 4;
  description.activation_place = ActivationPlace::kInput;
  const auto network = make_network(description);
  std::vector<std::string> found;
  for (const auto& item : network->named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    const auto* quantizer = item.value()->as<ActivationQuantizer>();
    if (quantizer != nullptr && quantizer->input().may_be_negative) {
      found.push_back(item.key());
    }
  }
  std::vector<std::string> expected;
  for (int64_t block = 2; block <= 17; ++block) {
    expected.push_back("features." + std::to_string(block) + ".conv.0.0_input");
  }
  expected.emplace_back("features.18.0_input");
  EXPECT_EQ(found, expected);
  description.activation_place = ActivationPlace::kOutput;
  for (const auto* quantizer : activation_quantizers(*make_network(description))) {
    EXPECT_FALSE(quantizer->input().may_be_negative) << "each is a ReLU itself";
  }
}

TEST(MobileNetV2, TenBlocksHaveAShortcut) {
  const auto program = program_of(describe_v2("2", 10));
  int sums = 0;
  for (const auto& node : program->nodes()) {
    sums += std::holds_alternative<op::Add>(node.operation) ? 1 : 0;
  }
  EXPECT_EQ(sums, 10);
}

}  // namespace
}  // namespace bsq::test
