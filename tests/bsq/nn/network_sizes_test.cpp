#include "bsq/nn/network_sizes.h"

#include <torch/utils.h>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

void expect_same_sizes(const Sizes& a, const Sizes& b) {
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.bits_total, b.bits_total);
  EXPECT_EQ(a.stored_bits, b.stored_bits);
  EXPECT_EQ(a.float32_bits, b.float32_bits);
  EXPECT_EQ(a.float_elements, b.float_elements);
}

// 3 bits, 8 and 2, 0 and 4.
void fill(SmallNetwork& network) {
  network.conv1->set_weight(plane_source(torch::ones({8, 3, 3, 3}), /*bits=*/3));
  network.conv2->set_weight(plane_source(torch::ones({8, 8, 3, 3}), /*bits=*/8));
  network.conv2->set_bias(plane_source(torch::ones({8}), /*bits=*/2));
  network.fc->set_weight(plane_source(torch::zeros({3, 8}), /*bits=*/1));
  network.fc->set_bias(plane_source(torch::ones({3}), /*bits=*/4));
}

TEST(NetworkSizes, CountsByHand) {
  SmallNetwork network(/*activation_bits=*/3);
  fill(network);
  // Batch norm 4 x 8, the float convolution 64, alpha, range.
  constexpr int64_t kFloats = 32 + 64 + 1 + 1;
  const auto sizes = sizes_of(network);
  EXPECT_EQ(sizes.weights, SmallNetwork::kWeights);
  EXPECT_EQ(sizes.bits_total, 216 * 3 + 576 * 8 + 8 * 2 + 3 * 4) << "a tensor of zeros is free";
  EXPECT_EQ(sizes.stored_bits, 216 * 4 + 576 * 9 + 8 * 3 + 3 * 5 + 4 * 32 + kFloats * 32);
  EXPECT_EQ(sizes.float32_bits, 32 * (827 + kFloats));
  EXPECT_EQ(sizes.float_elements, kFloats);
}

TEST(NetworkSizes, AFloatNetworkIsNotCompressed) {
  SmallNetwork network;
  const auto sizes = sizes_of(network);
  EXPECT_EQ(sizes.comp(), 1.0);
  EXPECT_EQ(sizes.comp_stored(), 1.0);
  EXPECT_EQ(sizes.weights, 0);
  EXPECT_TRUE(tensor_bits(network).empty());
}

TEST(NetworkSizes, TheFloat32SizeIsThatOfTheFloatNetwork) {
  SmallNetwork plain(/*activation_bits=*/3);
  const auto expected = sizes_of(plain).float32_bits;
  for (const auto form : kForms) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, form);
    EXPECT_EQ(sizes_of(network).float32_bits, expected);
  }
}

TEST(NetworkSizes, LayersThatStayFloatCountAsFloatInWhatIsStoredAlone) {
  SmallNetwork all;
  fill(all);
  SmallNetwork some;
  fill(some);
  some.conv1->set_weight(random_source(Form::kFloat, {8, 3, 3, 3}));
  const auto sizes = sizes_of(some);
  EXPECT_EQ(sizes.weights, SmallNetwork::kWeights - 216);
  EXPECT_EQ(sizes.bits_total, sizes_of(all).bits_total - 216 * 3);
  EXPECT_EQ(sizes.float32_bits, sizes_of(all).float32_bits);
  EXPECT_EQ(sizes.stored_bits, sizes_of(all).stored_bits + 216 * (32 - 4) - 32);
}

TEST(NetworkSizes, FormatsWithoutASignBitAndAScaleAChannel) {
  SmallNetwork network(/*activation_bits=*/0);
  const auto before = sizes_of(network);
  Codes codes;
  codes.integers = torch::ones({3, 8}, torch::kInt32);
  codes.scale = torch::rand({3}).add_(0.1);
  codes.format = twos_complement(4);
  network.fc->set_weight(make_frozen(codes));
  const auto sizes = sizes_of(network);
  EXPECT_EQ(sizes.weights, 24);
  EXPECT_EQ(sizes.bits_total, 24 * 4);
  EXPECT_EQ(sizes.stored_bits, before.stored_bits - 24 * 32 + 24 * 4 + 3 * 32);
}

TEST(NetworkSizes, TheStoredNetworksSizesAreTheNetworks) {
  torch::manual_seed(1);
  for (const auto form : kForms) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, form);
    expect_same_sizes(sizes_of(save_network(network)), sizes_of(network));
    expect_same_sizes(sizes_of(codes_of_network(network)), sizes_of(network));
  }
  SmallNetwork network;
  fill(network);
  expect_same_sizes(sizes_of(save_network(network)), sizes_of(network));
  expect_same_sizes(sizes_of(codes_of_network(network)), sizes_of(network));
}

TEST(NetworkSizes, AStoredScaleAChannelCounts) {
  torch::manual_seed(2);
  SmallNetwork network;
  fill(network);
  Codes codes;
  codes.integers = torch::ones({8, 8, 3, 3}, torch::kInt32);
  codes.scale = torch::rand({8}).add_(0.1);
  codes.format = twos_complement(4);
  network.conv2->set_weight(make_frozen(codes));
  expect_same_sizes(sizes_of(save_network(network)), sizes_of(network));
  expect_same_sizes(sizes_of(codes_of_network(network)), sizes_of(network));
}

TEST(NetworkSizes, TensorsComeInTheNetworksOrder) {
  SmallNetwork network;
  fill(network);
  std::vector<std::string> names;
  for (const auto& tensor : tensor_bits(network)) {
    names.push_back(tensor.name);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"conv1.weight", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(tensor_bits(network)[1].shape, (std::vector<int64_t>{8, 8, 3, 3}));
}

}  // namespace
}  // namespace bsq::test
