#include "bsq/train/divergence.h"

#include <torch/utils.h>

#include <limits>

#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

torch::Tensor images() { return torch::rand({4, 3, 8, 8}); }

std::string origin_after(const std::function<void(SmallNetwork&)>& spoil,
                         const std::string& method = "float") {
  torch::manual_seed(1);
  const auto network = network_for(method, /*activation_bits=*/0);
  torch::NoGradGuard no_grad;
  spoil(*network);
  return origin_of_divergence(*network, images());
}

TEST(Divergence, AFiniteNetworkIsNotBlamed) {
  EXPECT_EQ(origin_after([](SmallNetwork&) {}), "the loss itself");
}

TEST(Divergence, ImagesComeFirst) {
  const auto network = network_for("float");
  EXPECT_EQ(origin_of_divergence(*network, torch::full({1, 3, 8, 8}, kInfinity)), "the images");
}

TEST(Divergence, OfSpoiledParametersTheLastInTheNetworkBegan) {
  EXPECT_EQ(origin_after([](SmallNetwork& network) {
              network.bn1->weight.fill_(kInfinity);
              network.shortcut->weight.view({-1})[3] = kInfinity;
            }),
            "the gradient of shortcut (shortcut.weight is not finite now)");
}

TEST(Divergence, AnOutputTooLargeIsNamedByItsLayer) {
  EXPECT_EQ(origin_after([](SmallNetwork& network) { network.shortcut->weight.fill_(3e38); }),
            "the output of shortcut (conv2d)");
  EXPECT_EQ(origin_after([](SmallNetwork& network) {
              network.bn1->weight.fill_(3e38);
              network.bn1->bias.fill_(3e38);
            }),
            "the output of bn1 (batch_norm)");
}

TEST(Divergence, ALayerInBitsIsKnownByTheWeightItComputesWith) {
  for (const char* method : {"bsq", "frozen"}) {
    EXPECT_EQ(origin_after(
                  [](SmallNetwork& network) {
                    network.named_parameters()["conv2.scale"].fill_(3e38);
                    network.conv2->weight_source().refresh();
                  },
                  method),
              "the output of conv2 (conv2d)")
        << method;
  }
}

TEST(Divergence, FindsTheFirstTensorOfAState) {
  const auto network = network_for("bsq");
  EXPECT_EQ(first_not_finite(save_network(*network)), "");
  torch::NoGradGuard no_grad;
  network->bn1->running_var[2] = kInfinity;
  EXPECT_EQ(first_not_finite(save_network(*network)), "bn1.running_var");
}

}  // namespace
}  // namespace bsq::test
