#include "bsq/graph/cost.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "bsq/graph/graph_network.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

using Make = std::function<Value(Builder&, Value)>;

// An image, `first` (8 channels), `middle`, then the layer that is asked about.
NetworkCost cost_behind(const Make& middle, int64_t activation_bits = 4) {
  NetworkDescription description;
  description.activation_bits = activation_bits;
  const Flow flow = [&](Builder& b, Value image) {
    const auto x = middle(b, b.conv("first", image, /*planes=*/8, /*kernel=*/3));
    const auto y = b.conv("asked", x, /*planes=*/4, /*kernel=*/1);
    return b.linear("fc", b.global_average_pool(y), b.description().classes);
  };
  return cost_of(record(description, flow, /*root=*/nullptr), {{"asked", 2}});
}

int64_t bits_behind(const Make& middle, int64_t activation_bits = 4) {
  return cost_behind(middle, activation_bits).layers[1].activation_bits;
}

TEST(Cost, CountsMultiplyAccumulates) {
  const auto cost = cost_behind([](Builder& b, Value x) { return b.relu(x); });
  ASSERT_EQ(cost.layers.size(), 3U);
  EXPECT_EQ(cost.layers[0].path, "first");
  EXPECT_EQ(cost.layers[0].macs, 8 * 32 * 32 * 3 * 3 * 3);
  EXPECT_EQ(cost.layers[1].macs, 4 * 32 * 32 * 8);
  EXPECT_EQ(cost.layers[2].macs, 4 * 10);
  EXPECT_EQ(cost.macs(), cost.layers[0].macs + cost.layers[1].macs + 40);
}

TEST(Cost, GroupsAndStridesCostLess) {
  const auto cost = cost_behind(
      [](Builder& b, Value x) { return b.conv("depthwise", x, ConvOptions(8, 3).stride(2).groups(8)); });
  EXPECT_EQ(cost.layers[1].path, "depthwise");
  EXPECT_EQ(cost.layers[1].macs, 8 * 16 * 16 * 3 * 3);
}

TEST(Cost, BitOperationsAreWeightBitsTimesActivationBitsTimesMacs) {
  const auto cost = cost_behind([](Builder& b, Value x) { return b.activation("act", x); });
  EXPECT_EQ(cost.layers[0].bit_operations(), cost.layers[0].macs * 32 * 8) << "float weights, 8-bit image";
  EXPECT_EQ(cost.layers[1].bit_operations(), cost.layers[1].macs * 2 * 4);
  EXPECT_EQ(cost.layers[2].bit_operations(), cost.layers[2].macs * 32 * 32);
  EXPECT_EQ(cost.bit_operations(), cost.layers[0].bit_operations() + cost.layers[1].bit_operations() +
                                       cost.layers[2].bit_operations());
}

TEST(Cost, ALayerWithoutDigitsCostsNothing) {
  const LayerCost layer{"fc", /*macs=*/100, /*weight_bits=*/0, /*activation_bits=*/4};
  EXPECT_EQ(layer.bit_operations(), 0);
}

TEST(Cost, ActivationBitsAreThoseOfTheActivationThatALayerReads) {
  const auto act = [](Builder& b, Value x) { return b.activation("act", x); };
  const auto act2 = [](Builder& b, Value x) { return b.activation("act2", x); };
  EXPECT_EQ(bits_behind(act, 3), 3);
  EXPECT_EQ(bits_behind(act, 0), 32) << "a float activation";
  EXPECT_EQ(bits_behind([](Builder& b, Value x) { return b.relu(x); }), 32);
  EXPECT_EQ(bits_behind([](Builder& b, Value x) { return b.norm("norm", x); }), 32);
  EXPECT_EQ(bits_behind([&](Builder& b, Value x) { return b.max_pool(act(b, x), {2, 2, 0}); }), 4);
  EXPECT_EQ(bits_behind([&](Builder& b, Value x) { return b.average_pool(act(b, x), {2, 2, 0}); }), 4);
  EXPECT_EQ(bits_behind([&](Builder& b, Value x) { return b.add(act(b, x), act2(b, x)); }), 32);
  EXPECT_EQ(bits_behind([&](Builder& b, Value x) { return b.concat({act(b, x), act2(b, x)}); }), 4);
  EXPECT_EQ(bits_behind([&](Builder& b, Value x) { return b.concat({act(b, x), b.relu(x)}); }), 32);
}

TEST(Cost, RefusesALayerThatIsNotThere) {
  const auto program = record(
      {}, [](Builder& b, Value x) { return b.linear("fc", b.flatten(x), b.description().classes); },
      /*root=*/nullptr);
  EXPECT_NO_THROW(cost_of(program, {{"fc", 3}}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              cost_of(program, {{"conv1", 3}});
            }),
            "cost: layer conv1 is not in the network");
}

class HandWritten : public Network {
 public:
  HandWritten() : Network(NetworkDescription()) {}
  torch::Tensor forward(const torch::Tensor& images) override { return images.flatten(1); }
};

TEST(Cost, AHandWrittenForwardHasNone) {
  const HandWritten network;
  EXPECT_EQ(network.program(), nullptr);
  EXPECT_FALSE(cost_of(network, {}).has_value());
}

}  // namespace
}  // namespace bsq::test
