#include "bsq/nn/network_state.h"

#include <algorithm>
#include <functional>

#include "bsq/base/error.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

StoredTensor& tensor_named(NetworkState& state, const std::string& name) {
  return std::find_if(state.begin(), state.end(), [&](const auto& item) { return item.first == name; })
      ->second;
}

void remove(NetworkState& state, const std::string& name) {
  const auto found =
      std::find_if(state.begin(), state.end(), [&](const auto& item) { return item.first == name; });
  ASSERT_NE(found, state.end()) << name;
  state.erase(found);
}

TEST(NetworkState, NamesAreThoseOfTheStateDict) {
  SmallNetwork network(/*activation_bits=*/3);
  std::vector<std::string> names;
  for (const auto& [name, stored] : save_network(network)) {
    names.push_back(name);
  }
  const std::vector<std::string> expected = {"conv1.weight",     "conv2.weight",    "conv2.bias",
                                             "fc.weight",        "fc.bias",         "bn1.weight",
                                             "bn1.bias",         "relu1.alpha",     "shortcut.weight",
                                             "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
                                             "relu1.range"};
  EXPECT_EQ(names, expected);
}

TEST(NetworkState, RoundTripsEveryRepresentation) {
  torch::manual_seed(1);
  const auto x = torch::randn({4, 3, 8, 8});
  for (const auto from : kRepresentations) {
    for (const auto to : kRepresentations) {
      SmallNetwork network(/*activation_bits=*/3);
      network.forward(x);
      bring_to(network, from);
      const auto state = save_network(network);
      SmallNetwork other(/*activation_bits=*/3);
      bring_to(other, to);
      load_network(other, state);
      EXPECT_EQ(network_representation(other), from);
      expect_same_state(save_network(other), state);
      EXPECT_EQ(other.named_parameters().keys(), network.named_parameters().keys());
      network.eval();
      other.eval();
      EXPECT_TRUE(torch::equal(network.forward(x), other.forward(x)));
    }
  }
}

TEST(NetworkState, RoundTripsFloat64) {
  torch::manual_seed(2);
  SmallNetwork network;
  network.to(torch::kFloat64);
  bring_to(network, Representation::kBits, torch::kFloat64);
  const auto state = save_network(network);
  SmallNetwork other;
  other.to(torch::kFloat64);
  load_network(other, state);
  expect_same_state(save_network(other), state);
}

TEST(NetworkState, DoesNotFollowTheNetwork) {
  torch::manual_seed(3);
  for (const auto representation : kRepresentations) {
    SmallNetwork network;
    bring_to(network, representation);
    const auto state = save_network(network);
    SmallNetwork before;
    load_network(before, state);
    torch::NoGradGuard no_grad;
    for (auto& parameter : network.parameters()) {
      parameter.mul_(0.5);
    }
    network.bn1->running_mean.add_(1);
    expect_same_state(state, save_network(before));
  }
}

TEST(NetworkState, LoadedParametersTrain) {
  SmallNetwork network;
  convert_to_bits(network, /*bits=*/4);
  SmallNetwork other;
  load_network(other, save_network(network));
  for (const auto& item : other.named_parameters()) {
    EXPECT_TRUE(item.value().requires_grad()) << item.key();
  }
}

// What is missing keeps its value.
TEST(NetworkState, PublishedFilesMayLackCountersRangesAndAlphas) {
  torch::manual_seed(4);
  SmallNetwork network(/*activation_bits=*/3);
  network.forward(torch::randn({4, 3, 8, 8}));
  auto state = save_network(network);
  for (const char* name : {"bn1.num_batches_tracked", "relu1.range", "relu1.alpha"}) {
    remove(state, name);
  }
  SmallNetwork other(/*activation_bits=*/3);
  EXPECT_NO_THROW(load_network(other, state));
  EXPECT_EQ(other.relu1->range.item<float>(), -1.0F);
  EXPECT_EQ(other.relu1->alpha.item<float>(), 10.0F);
}

TEST(NetworkState, AFloatActivationNetworkTakesAFileWithRanges) {
  SmallNetwork network(/*activation_bits=*/3);
  SmallNetwork plain(/*activation_bits=*/0);
  EXPECT_NO_THROW(load_network(plain, save_network(network)));
}

std::string message_after(const std::function<void(NetworkState&)>& spoil,
                          Representation representation = Representation::kFloat) {
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, representation);
  auto state = save_network(network);
  spoil(state);
  SmallNetwork other(/*activation_bits=*/3);
  return message_of<Error>([&] { load_network(other, state); });
}

TEST(NetworkState, ErrorsNameTheTensor) {
  for (const char* name :
       {"conv1.weight", "conv2.bias", "fc.bias", "bn1.weight", "bn1.running_var", "shortcut.weight"}) {
    EXPECT_EQ(message_after([&](NetworkState& state) { remove(state, name); }),
              std::string(name) + ": missing");
  }
  EXPECT_EQ(message_after([](NetworkState& state) { state.emplace_back("fc2.weight", StoredTensor()); }),
            "fc2.weight: not in the network");
  for (const char* name : {"conv1.weight", "fc.bias", "bn1.bias", "bn1.running_mean", "relu1.alpha"}) {
    const auto message = message_after([&](NetworkState& state) {
      tensor_named(state, name).value = torch::zeros({5, 1});
    });
    EXPECT_TRUE(begins_with(message, std::string(name) + ": shape [5, 1]; expected [")) << message;
  }
  EXPECT_EQ(message_after(
                [](NetworkState& state) { tensor_named(state, "bn1.weight").encoding = Encoding::kBinary; }),
            "bn1.weight: holds bits; expected a float tensor");
  const auto frozen = message_after([](NetworkState& state) { tensor_named(state, "fc.weight").bits = 99; },
                                    Representation::kFrozen);
  EXPECT_TRUE(begins_with(frozen, "fc.weight: 99 bits")) << frozen;
}

}  // namespace
}  // namespace bsq::test
