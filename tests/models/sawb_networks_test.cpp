#include <torch/nn/module.h>
#include <torch/utils.h>

#include "bsq/nn/layers_of.h"
#include "models/registry.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

struct Published {
  const char* architecture;
  int64_t parameters, layers, shortcuts;
};
constexpr Published kPublished[] = {{"resnet18", 11173962, 21, 3}, {"vgg7", 12978058, 8, 0}};

NetworkDescription described(const std::string& architecture) {
  NetworkDescription description;
  description.architecture = architecture;
  return description;
}

TEST(SawbNetworks, HaveThePublishedSizes) {
  for (const auto& published : kPublished) {
    SCOPED_TRACE(published.architecture);
    const auto network = make_network(described(published.architecture));
    int64_t parameters = 0;
    for (const auto& tensor : network->parameters()) {
      parameters += tensor.numel();
    }
    EXPECT_EQ(parameters, published.parameters);
    const auto layers = quant_layers(*network);
    EXPECT_EQ(static_cast<int64_t>(layers.size()), published.layers);
    EXPECT_EQ(std::count_if(layers.begin(), layers.end(),
                            [](const auto& item) { return item.second->role() == LayerRole::kShortcut; }),
              published.shortcuts);
    EXPECT_EQ(layers.front().second->role(), LayerRole::kFirst);
    EXPECT_EQ(layers.back().second->role(), LayerRole::kLast);
  }
}

// Multiply-accumulates of one image, layer by layer.
TEST(SawbNetworks, HaveThePublishedShapes) {
  const auto macs = [](const std::string& architecture) {
    std::map<std::string, int64_t> found;
    const auto cost = cost_of(described(architecture), {});
    for (const auto& layer : cost.value().layers) {
      found[layer.path] = layer.macs;
    }
    return found;
  };
  auto resnet = macs("resnet18");
  EXPECT_EQ(resnet["conv1"], 32 * 32 * 3 * 64 * 9);
  EXPECT_EQ(resnet["layer2.0.downsample.0"], 16 * 16 * 64 * 128);
  EXPECT_EQ(resnet["layer4.1.conv2"], 4 * 4 * 512 * 512 * 9);
  EXPECT_EQ(resnet["fc"], 512 * 10);
  auto vgg = macs("vgg7");
  EXPECT_EQ(vgg["conv2"], 32 * 32 * 128 * 128 * 9);
  EXPECT_EQ(vgg["conv6"], 8 * 8 * 512 * 512 * 9);
  EXPECT_EQ(vgg["fc1"], 8192 * 1024);
}

// What the published SAWB networks count without the alphas of PACT.
TEST(SawbNetworks, ResNet20HasThePublishedSizeWithPactInFrontOfItsLayers) {
  auto description = described("resnet");
  description.activation_place = ActivationPlace::kInput;
  const auto network = make_network(description);
  int64_t parameters = 0;
  for (const auto& item : network->named_parameters()) {
    parameters += item.value().dim() == 0 ? 0 : item.value().numel();
  }
  EXPECT_EQ(parameters, 272474);
}

}  // namespace
}  // namespace bsq::test
