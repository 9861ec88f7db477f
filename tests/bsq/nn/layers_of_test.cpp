#include "bsq/nn/layers_of.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/utils.h>

#include <stdexcept>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Names = std::vector<std::string>;

Names names_of(const std::vector<SourceRef>& refs) {
  Names names;
  for (const auto& ref : refs) {
    names.push_back(ref.name);
  }
  return names;
}

Names paths_of(torch::nn::Module& network) {
  Names paths;
  for (const auto& [path, layer] : quant_layers(network)) {
    paths.push_back(path);
  }
  return paths;
}

TEST(LayersOf, FindsEveryPart) {
  const Names all = {"conv1.weight", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"};
  for (const auto form : kForms) {
    SmallNetwork network;
    bring_to(network, form);
    EXPECT_EQ(paths_of(network), (Names{"conv1", "conv2", "fc"}));
    EXPECT_EQ(names_of(sources_of(network)), all);
    EXPECT_EQ(names_of(coded_sources(network)), form == Form::kFloat ? Names() : all);
    EXPECT_EQ(is_float(network), form == Form::kFloat);
    EXPECT_EQ(activation_quantizers(network).size(), 1U);
  }
}

TEST(LayersOf, LayersInsideContainersHaveTheirPath) {
  torch::nn::Sequential inner(QuantConv2d(3, 4, 3), torch::nn::ReLU());
  torch::nn::ModuleList outer(inner, QuantLinear(4, 2));
  EXPECT_EQ(paths_of(*outer), (Names{"0.0", "1"}));
  EXPECT_EQ(names_of(sources_of(*outer)), (Names{"0.0.weight", "0.0.bias", "1.weight", "1.bias"}));
}

TEST(LayersOf, OneTensorOfALayerMayBeFloat) {
  SmallNetwork network;
  network.fc->set_weight(plane_source(torch::ones({3, 8}), /*bits=*/2));
  EXPECT_EQ(names_of(coded_sources(network)), Names{"fc.weight"});
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {2, 0}}}));
}

TEST(LayersOf, SlotNamesAreTheRegisteredOnes) {
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  const auto registered = network.named_parameters();
  for (const auto& ref : sources_of(network)) {
    for (const auto& slot : ref.source().slots()) {
      const auto* found = registered.find(ref.slot_name(slot.name));
      ASSERT_NE(found, nullptr) << ref.slot_name(slot.name);
      EXPECT_EQ(found->data_ptr(), slot.tensor.data_ptr());
    }
  }
}

TEST(LayersOf, ErrorsNameTheTensor) {
  SmallNetwork network;
  for (const auto& ref : sources_of(network)) {
    const auto message =
        message_of<std::invalid_argument>([&] { ref.set(plane_source(torch::ones({77}), /*bits=*/2)); });
    EXPECT_TRUE(begins_with(message, ref.name + ": ")) << message;
  }
}

TEST(LayersOf, TheSchemeCountsCodes) {
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  network.fc->set_weight(plane_source(torch::zeros({3, 8}), /*bits=*/3));
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {4, 0}}, {"conv2", {4, 4}}, {"fc", {0, 4}}}))
      << "a tensor without a digit has 0 bits, whatever its planes";
  EXPECT_EQ(network.fc->weight_source().bits(), 3);
  EXPECT_EQ(scheme_of(save_network(network)), scheme_of(network));
  EXPECT_EQ(scheme_of(codes_of_network(network)), scheme_of(network));
}

TEST(LayersOf, MakeFloatKeepsTheOutput) {
  torch::manual_seed(1);
  const auto x = torch::randn({4, 3, 8, 8});
  for (const auto form : kForms) {
    SmallNetwork network;
    network.forward(x);
    bring_to(network, form);
    network.eval();
    torch::NoGradGuard no_grad;
    const auto y = network.forward(x);
    make_float(network);
    EXPECT_TRUE(is_float(network));
    EXPECT_TRUE(torch::equal(network.forward(x), y));
    for (const auto& parameter : network.parameters()) {
      EXPECT_TRUE(parameter.requires_grad());
    }
  }
}

}  // namespace
}  // namespace bsq::test
