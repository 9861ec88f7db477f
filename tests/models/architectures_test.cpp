#include <torch/nn/functional/loss.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

using Options = std::map<std::string, std::string>;

NetworkDescription describe(const std::string& architecture, const Options& options) {
  NetworkDescription description;
  description.architecture = architecture;
  description.options = options;
  return description;
}

int64_t parameters_of(const NetworkDescription& description) {
  int64_t count = 0;
  for (const auto& parameter : make_network(description)->parameters()) {
    count += parameter.numel();
  }
  return count;
}

NetworkDescription for_images(NetworkDescription description, int64_t side) {
  description.image_height = description.image_width = side;
  return description;
}

torch::Tensor random_images(const NetworkDescription& description, int64_t count) {
  return torch::randn({count, 3, description.image_height, description.image_width});
}

struct Counted {
  std::string architecture;
  Options options;
  int64_t parameters;
};

// Counts that papers or their authors' code give for ten classes; models/README.md says which.
TEST(Architectures, HaveTheParametersOfTheirPapers) {
  const std::vector<Counted> all = {
      {"resnet", {{"depth", "20"}, {"shortcut", "A"}}, 269722},
      {"resnet", {{"depth", "110"}, {"shortcut", "A"}}, 1727962},
      {"preresnet", {{"depth", "110"}}, 1730522},
      {"wrn", {{"depth", "28"}, {"widen-factor", "10"}}, 36479194},
      {"wrn", {{"depth", "40"}, {"widen-factor", "4"}}, 8949210},
      {"densenet", {{"depth", "100"}, {"growth-rate", "12"}}, 769162},
      {"densenet", {{"depth", "40"}, {"block-name", "BasicBlock"}, {"compression-rate", "1"}}, 1059298},
      {"resnext", {{"depth", "29"}, {"cardinality", "8"}, {"base-width", "64"}}, 34426698},
      {"vgg", {{"depth", "11"}}, 9231114},
      {"vgg", {{"depth", "13"}}, 9416010},
      {"vgg", {{"depth", "16"}}, 14728266},
      {"vgg", {{"depth", "19"}}, 20040522},
      {"alexnet", {}, 2472266},
  };
  for (const auto& [architecture, options, parameters] : all) {
    auto description = describe(architecture, options);
    description.activation_bits = 4;  // ReLU6, which has no parameters
    EXPECT_EQ(parameters_of(description), parameters) << architecture << " " << options.begin()->second;
  }
}

struct ImageNetCounts {
  std::string architecture;
  int64_t side, parameters;
  double billion_macs;  ///< as torchvision's table of weights, or the paper, gives them
};

TEST(Architectures, OfImageNetHaveTheCountsOfTorchvision) {
  const std::vector<ImageNetCounts> all = {
      {"resnet18", 224, 11689512, 1.81},    {"resnet34", 224, 21797672, 3.66},
      {"resnet50", 224, 25557032, 4.09},    {"resnet101", 224, 44549160, 7.80},
      {"mobilenet_v2", 224, 3504872, 0.30}, {"inception_v3", 299, 23834568, 5.71},
      {"mobilenet_v1", 224, 4231976, 0.569}};
  for (const auto& [architecture, side, parameters, billion_macs] : all) {
    const bool is_v1 = architecture == "mobilenet_v1";
    auto description = for_images(describe(architecture, {}), side);
    description.options = is_v1 ? Options{{"multiplier", "1"}} : Options();
    description.classes = 1000;
    description.activation_bits = 4;
    EXPECT_EQ(parameters_of(description), parameters) << architecture;
    const auto cost = cost_of(description, {});
    ASSERT_TRUE(cost) << architecture;
    EXPECT_NEAR(static_cast<double>(cost->macs()) * 1e-9, billion_macs, is_v1 ? 0.0005 : 0.0051)
        << architecture;
  }
}

TEST(Architectures, TheStemFollowsTheImagesUnlessItIsChosen) {
  const auto stem = [](const Options& options, int64_t side) {
    return completed(for_images(describe("resnet18", options), side)).options.at("stem");
  };
  EXPECT_EQ(stem({}, 32), "small");
  EXPECT_EQ(stem({}, 64), "small");
  EXPECT_EQ(stem({}, 65), "imagenet");
  EXPECT_EQ(stem({{"stem", "small"}}, 224), "small");
  EXPECT_EQ(stem({{"stem", "imagenet"}}, 32), "imagenet");
  // A network keeps its form where its images become larger.
  const auto network = make_network(describe("mobilenet_v1", {{"multiplier", "0.1"}}));
  const auto rebuilt = rebuild(*network, for_images(network->description(), 224));
  EXPECT_EQ(rebuilt->description().options.at("stem"), "small");
  EXPECT_EQ(rebuilt->description().image_height, 224);
}

// Small ones of every family.
const std::vector<NetworkDescription>& small_networks() {
  static const std::vector<NetworkDescription> all = {
      describe("resnet", {{"depth", "8"}, {"shortcut", "A"}}),
      describe("preresnet", {{"depth", "8"}}),
      describe("preresnet", {{"depth", "11"}, {"block-name", "Bottleneck"}}),
      describe("wrn", {{"depth", "10"}, {"widen-factor", "1"}, {"drop", "0.3"}}),
      describe("resnext",
               {{"depth", "11"}, {"cardinality", "2"}, {"base-width", "4"}, {"widen-factor", "1"}}),
      describe("densenet", {{"depth", "10"}, {"growth-rate", "4"}, {"drop", "0.2"}}),
      describe("densenet", {{"depth", "7"}, {"growth-rate", "4"}, {"block-name", "BasicBlock"}}),
      describe("vgg", {{"depth", "11"}}),
      describe("alexnet", {}),
      for_images(describe("inception_v3", {}), 75),
  };
  return all;
}

void expect_trains(Network& network, torch::ScalarType type) {
  torch::manual_seed(4);
  network.train();
  const auto images = random_images(network.description(), 4).to(type);
  const auto labels = torch::tensor({0, 1, 2, 3});
  const auto logits = network.forward(images);
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({4, 10}));
  torch::nn::functional::cross_entropy(logits, labels).backward();
  for (const auto& item : network.named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

TEST(Architectures, TrainInBothPrecisions) {
  for (const auto& description : small_networks()) {
    SCOPED_TRACE(description.architecture);
    torch::manual_seed(3);
    expect_trains(*make_network(description), torch::kFloat32);
    torch::manual_seed(3);
    expect_trains(*make_network(description), torch::kBFloat16);
  }
}

TEST(Architectures, TakeBitsAndComeBackFromTheirState) {
  torch::NoGradGuard no_grad;
  for (const auto& description : small_networks()) {
    for (const char* name : {"bsq", "lsq"}) {
      SCOPED_TRACE(description.architecture + " " + name);
      torch::manual_seed(5);
      const auto network = make_network(description);
      const auto method = make_method(name);
      method->begin(*network, {LayerRules(2)});
      EXPECT_FALSE(coded_sources(*network).empty());
      network->eval();
      const auto copy = make_network(description);
      make_method(name)->begin(*copy, {LayerRules(2)});
      load_network(*copy, save_network(*network));
      copy->eval();
      const auto images = random_images(description, 2);
      EXPECT_TRUE(torch::equal(copy->forward(images), network->forward(images)));
    }
  }
}

TEST(Architectures, ShortcutATakesEverySecondPixelAndPadsChannels) {
  torch::NoGradGuard no_grad;
  auto description = describe("resnet", {{"depth", "8"}, {"shortcut", "A"}});
  description.activation_bits = 0;
  const auto network = make_network(description);
  network->eval();
  // Without its convolutions a block gives its shortcut.
  for (auto& item : network->named_parameters()) {
    if (item.key().find("layer") == 0 && item.key().find("conv2") != std::string::npos) {
      item.value().zero_();
    }
  }
  const auto images = torch::rand({2, 3, 32, 32});
  const auto parameters = network->named_parameters();
  auto x = torch::relu(
      torch::batch_norm(torch::conv2d(images, parameters["conv1.weight"], {}, 1, 1), parameters["bn1.weight"],
                        parameters["bn1.bias"], network->named_buffers()["bn1.running_mean"],
                        network->named_buffers()["bn1.running_var"], false, 0.1, 1e-5, false));
  x = x.clamp_max(6);
  for (int64_t added : {8, 16}) {
    x = x.index({torch::indexing::Slice(), torch::indexing::Slice(),
                 torch::indexing::Slice(torch::indexing::None, torch::indexing::None, 2),
                 torch::indexing::Slice(torch::indexing::None, torch::indexing::None, 2)});
    x = torch::constant_pad_nd(x, {0, 0, 0, 0, added, added});
  }
  const auto expected = torch::linear(x.mean({2, 3}), parameters["fc.weight"], parameters["fc.bias"]);
  EXPECT_TRUE(torch::allclose(network->forward(images), expected, 1e-4, 1e-5));
}

TEST(Architectures, RefuseDepthsThatTheyCannotHave) {
  for (const auto& [architecture, depth] :
       Options{{"preresnet", "21"}, {"wrn", "29"}, {"resnext", "30"}, {"densenet", "101"}, {"vgg", "12"}}) {
    EXPECT_TRUE(contains(message_of<std::invalid_argument>([&, &name = architecture, &text = depth] {
                           make_network(describe(name, {{"depth", text}}));
                         }),
                         depth))
        << architecture;
  }
}

}  // namespace
}  // namespace bsq::test
