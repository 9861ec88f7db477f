#include "bsq/graph/builder.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/graph/graph_network.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

/// The message of what a flow is refused with.
std::string refusal(const Flow& flow) {
  const auto alone = message_of<std::invalid_argument>([&] { record({}, flow, /*root=*/nullptr); });
  const auto with_modules = message_of<std::invalid_argument>([&] { GraphNetwork network({}, flow); });
  EXPECT_EQ(alone, with_modules);
  return alone;
}

Flow ending(const std::function<Value(Builder&, Value)>& middle) {
  return [middle](Builder& b, Value image) {
    return b.linear("fc", b.global_average_pool(middle(b, image)), b.description().classes);
  };
}

Flow small_flow() {
  return ending([](Builder& b, Value x) {
    x = b.relu(b.norm("bn1", b.conv("conv1", x, /*planes=*/8, /*kernel=*/3)));
    const auto scope = b.scope("layer1.0");
    auto y =
        b.activation("relu1", b.norm("bn1", b.conv("conv1", x, /*planes=*/16, /*kernel=*/3, /*stride=*/2)));
    const auto projection = ConvOptions(16, 1).stride(2).role(LayerRole::kShortcut);
    return b.activation("relu2", b.add(y, b.norm("downsample.1", b.conv("downsample.0", x, projection))));
  });
}

TEST(Builder, RegistersModulesUnderTheirPathsInTheOrderOfCalls) {
  GraphNetwork network({}, small_flow());
  const std::vector<std::string> expected = {"conv1.weight",
                                             "bn1.weight",
                                             "bn1.bias",
                                             "layer1.0.conv1.weight",
                                             "layer1.0.bn1.weight",
                                             "layer1.0.bn1.bias",
                                             "layer1.0.downsample.0.weight",
                                             "layer1.0.downsample.1.weight",
                                             "layer1.0.downsample.1.bias",
                                             "fc.weight",
                                             "fc.bias"};
  EXPECT_EQ(network.named_parameters().keys(), expected);
  EXPECT_EQ(network.named_children().keys(), (std::vector<std::string>{"conv1", "bn1", "layer1", "fc"}));
  EXPECT_NE(network.named_buffers().find("layer1.0.relu2.range"), nullptr);
}

TEST(Builder, RecordsTheSameFlowWithAndWithoutModules) {
  GraphNetwork network({}, small_flow());
  const auto alone = record({}, small_flow(), /*root=*/nullptr);
  const auto& nodes = network.program()->nodes();
  ASSERT_EQ(nodes.size(), alone.nodes().size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_EQ(nodes[i].path, alone.nodes()[i].path);
    EXPECT_EQ(nodes[i].shape, alone.nodes()[i].shape);
    EXPECT_EQ(nodes[i].inputs, alone.nodes()[i].inputs);
    EXPECT_EQ(nodes[i].operation.index(), alone.nodes()[i].operation.index());
  }
  EXPECT_EQ(network.program()->output(), alone.output());
}

TEST(Builder, ShapesAreWhatTheNetworkGives) {
  GraphNetwork network({}, small_flow());
  const auto& nodes = network.program()->nodes();
  const auto shape_of = [&](const std::string& path) {
    const auto found =
        std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.path == path; });
    return found == nodes.end() ? ValueShape() : found->shape;
  };
  EXPECT_EQ(shape_of("input"), (ValueShape{3, 32, 32}));
  EXPECT_EQ(shape_of("conv1"), (ValueShape{8, 32, 32}));
  EXPECT_EQ(shape_of("layer1.0.conv1"), (ValueShape{16, 16, 16}));
  EXPECT_EQ(shape_of("layer1.0.add"), (ValueShape{16, 16, 16}));
  EXPECT_EQ(shape_of("global_average_pool"), (ValueShape{16}));
  EXPECT_EQ(shape_of("fc"), (ValueShape{10}));
}

TEST(Builder, WindowsCountAsLibtorchCounts) {
  for (const int64_t size : {7, 8, 32}) {
    for (const Window& window : {Window{3, 1, 1}, Window{3, 2, 1}, Window{2, 2, 0}, Window{5, 3, 2},
                                 Window{{1, 7}, 1, {0, 3}}, Window{{7, 3}, {2, 1}, {1, 0}}}) {
      Builder b({}, /*root=*/nullptr, {3, size, size + 1});
      const auto images = torch::zeros({1, 3, size, size + 1});
      const auto expected =
          torch::max_pool2d(images, window.kernel.sides(), window.stride.sides(), window.padding.sides());
      const ValueShape shape(expected.sizes().begin() + 1, expected.sizes().end());
      EXPECT_EQ(b.shape(b.max_pool(b.image(), window)), shape);
      EXPECT_EQ(b.shape(b.average_pool(b.image(), window)), shape);
      const auto options = ConvOptions(3, window.kernel).stride(window.stride).padding(window.padding);
      EXPECT_EQ(b.shape(b.conv("conv", b.image(), options)), shape);
    }
  }
}

TEST(Builder, LayersKnowTheirRoles) {
  const auto layers = record({}, small_flow(), /*root=*/nullptr).layers();
  const std::vector<std::pair<std::string, LayerRole>> expected = {
      {"conv1", LayerRole::kFirst},
      {"layer1.0.conv1", LayerRole::kInner},
      {"layer1.0.downsample.0", LayerRole::kShortcut},
      {"fc", LayerRole::kLast}};
  ASSERT_EQ(layers.size(), expected.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].path, expected[i].first);
    EXPECT_EQ(layers[i].role, expected[i].second) << layers[i].path;
  }
}

TEST(Builder, EveryLayerThatReadsTheImageIsAFirstOne) {
  const auto program = record(
      {},
      [](Builder& b, Value image) {
        const auto a = b.conv("a", b.max_pool(image, {2, 2, 0}), /*planes=*/4, /*kernel=*/3);
        const auto c = b.conv("c", b.norm("norm", image), /*planes=*/4, /*kernel=*/3, /*stride=*/2);
        return b.linear("fc", b.flatten(b.add(a, c)), b.description().classes);
      },
      /*root=*/nullptr);
  EXPECT_EQ(program.layers()[0].role, LayerRole::kFirst);
  EXPECT_EQ(program.layers()[1].role, LayerRole::kFirst);
  EXPECT_EQ(program.layers()[2].role, LayerRole::kLast);
}

TEST(Builder, EqualSeedsGiveEqualNetworks) {
  torch::manual_seed(11);
  GraphNetwork a({}, small_flow());
  torch::manual_seed(11);
  GraphNetwork b({}, small_flow());
  for (const auto& item : a.named_parameters()) {
    EXPECT_TRUE(same_bits(item.value(), b.named_parameters()[item.key()])) << item.key();
  }
}

TEST(Builder, RecordingAloneDrawsNothing) {
  torch::manual_seed(12);
  const auto expected = torch::rand({4});
  torch::manual_seed(12);
  record({}, small_flow(), /*root=*/nullptr);
  EXPECT_TRUE(torch::equal(torch::rand({4}), expected));
}

TEST(Builder, ARefusalNamesTheNode) {
  const auto conv = [](const ConvOptions& options) {
    return refusal(ending([options](Builder& b, Value x) {
      const auto scope = b.scope("layer1");
      return b.conv("conv1", x, options);
    }));
  };
  EXPECT_EQ(conv(ConvOptions(0, 3)), "layer1.conv1: planes 0; expected 1 or more");
  EXPECT_EQ(conv(ConvOptions(8, 0)), "layer1.conv1: kernel 0; expected 1 or more");
  EXPECT_EQ(conv(ConvOptions(8, 3).stride(-1)), "layer1.conv1: stride -1; expected 1 or more");
  EXPECT_EQ(conv(ConvOptions(8, 3).padding(-1)), "layer1.conv1: padding -1; expected 0 or more");
  EXPECT_EQ(conv(ConvOptions(8, 3).groups(0)), "layer1.conv1: groups 0; expected 1 or more");
  EXPECT_EQ(conv(ConvOptions(8, 3).groups(2)),
            "layer1.conv1: 2 groups for 3 and 8 channels; expected a divisor of both");
  EXPECT_EQ(conv(ConvOptions(8, 40).padding(0)),
            "layer1.conv1: a window of 40 on 32 pixels with padding; expected it to fit");
}

TEST(Builder, ShapesHaveToFit) {
  const auto flat = [](Builder& b, Value x) { return b.global_average_pool(x); };
  EXPECT_EQ(refusal([&](Builder& b, Value x) { return b.conv("conv", flat(b, x), 8, 3); }),
            "conv: input of shape (3); expected (channels, height, width)");
  EXPECT_EQ(refusal([](Builder& b, Value x) { return b.linear("fc", x, 10); }),
            "fc: input of shape (3, 32, 32); expected (features): flatten or pool it first");
  EXPECT_EQ(refusal([&](Builder& b, Value x) { return b.linear("fc", flat(b, x), 0); }),
            "fc: features 0; expected 1 or more");
  EXPECT_EQ(refusal([](Builder& b, Value x) { return b.add(x, b.conv("conv", x, 8, 3)); }),
            "add: values of shapes (3, 32, 32) and (8, 32, 32); expected one shape");
  EXPECT_EQ(
      refusal([](Builder& b, Value x) {
        return b.concat({x, b.max_pool(x, {2, 2, 0})});
      }),
      "concat: values of shapes (3, 32, 32) and (3, 16, 16); expected them to differ in channels alone");
  EXPECT_EQ(refusal([](Builder& b, Value x) { return b.concat({x}); }),
            "concat: 1 values; expected 2 or more");
  EXPECT_EQ(refusal([](Builder& b, Value x) {
              return b.max_pool(x, {2, 2, 2});
            }),
            "max_pool: padding 2 of a window of 2; expected at most half of it");
}

TEST(Builder, TheOutputIsTheLogits) {
  EXPECT_EQ(refusal([](Builder& b, Value x) { return b.linear("fc", b.flatten(x), 7); }),
            "output: shape (7); expected (10)");
  EXPECT_EQ(refusal([](Builder&, Value) { return Value(); }),
            "output: its input is no value of this builder");
}

TEST(Builder, EveryValueHasAReader) {
  EXPECT_EQ(refusal(ending([](Builder& b, Value x) {
              b.conv("lost", x, 8, 3);
              return x;
            })),
            "lost: nothing reads its value; expected a reader, or to be the output");
}

TEST(Builder, PathsAreTakenOnce) {
  EXPECT_EQ(refusal(ending([](Builder& b, Value x) { return b.conv("a", b.conv("a", x, 3, 3), 3, 3); })),
            "a: stands twice; expected every path once");
  for (const std::string name : {"", ".a", "a.", "a..b"}) {
    EXPECT_EQ(refusal(ending([&](Builder& b, Value x) { return b.conv(name, x, 3, 3); })),
              "'" + name + "': expected a name on both sides of a dot");
  }
}

TEST(Builder, ClassesHaveLimits) {
  for (const int64_t classes : {-1, 0, 1, 100001}) {
    NetworkDescription description;
    description.classes = classes;
    EXPECT_THROW(record(description, small_flow(), /*root=*/nullptr), std::invalid_argument) << classes;
  }
}

TEST(Builder, ActivationsAreOfTheDescriptionsKind) {
  NetworkDescription description;
  description.activation = "other";
  EXPECT_TRUE(contains(
      message_of<std::invalid_argument>([&] { record(description, small_flow(), /*root=*/nullptr); }),
      "activation 'other'; expected uniform"));
}

/// The path of what the node at `path` reads, and what kind of node that is.
const Node& input_of(const Program& program, const std::string& path) {
  for (const auto& node : program.nodes()) {
    if (node.path == path) {
      return program.nodes()[node.inputs[0]];
    }
  }
  throw std::logic_error(path);
}

NetworkDescription placed(ActivationPlace place) {
  NetworkDescription description;
  description.activation_place = place;
  return description;
}

TEST(Builder, QuantizersStandInFrontOfLayersWhereTheDescriptionWantsThem) {
  const auto program = record(placed(ActivationPlace::kInput), small_flow(), /*root=*/nullptr);
  EXPECT_EQ(input_of(program, "conv1").path, "input") << "the image stays as it is";
  EXPECT_EQ(input_of(program, "layer1.0.conv1").path, "layer1.0.conv1_input");
  EXPECT_EQ(input_of(program, "layer1.0.downsample.0").path, "layer1.0.downsample.0_input");
  EXPECT_EQ(input_of(program, "fc").path, "fc_input");
  for (const auto& node : program.nodes()) {
    EXPECT_EQ(std::holds_alternative<op::Activation>(node.operation),
              node.path.find("_input") != std::string::npos)
        << node.path << ": the flow's own activations are ReLU";
  }
}

TEST(Builder, ASharedQuantizerServesEveryLayerThatReadsItsValue) {
  const auto program = record(placed(ActivationPlace::kSharedInput), small_flow(), /*root=*/nullptr);
  EXPECT_EQ(input_of(program, "layer1.0.conv1").path, "layer1.0.conv1_input");
  EXPECT_EQ(input_of(program, "layer1.0.downsample.0").path, "layer1.0.conv1_input");
  EXPECT_EQ(input_of(program, "layer1.0.conv1_input").path, "relu") << "of the stem";
}

TEST(Builder, TheLastLayersReadTheirValueAsItIsWhereTheDescriptionSaysSo) {
  const auto description = placed(ActivationPlace::kInnerSharedInput);
  const GraphNetwork network(description, small_flow());
  const auto& program = *network.program();
  EXPECT_EQ(input_of(program, "fc").path, "global_average_pool");
  EXPECT_EQ(input_of(program, "layer1.0.downsample.0").path, "layer1.0.conv1_input") << "the others share";
  EXPECT_EQ(network.named_children().find("fc_input"), nullptr);
  auto ruled = description;
  ruled.activation_rules = {{"fc_input", 2}};
  EXPECT_THROW(record(ruled, small_flow(), /*root=*/nullptr), std::invalid_argument) << "no such activation";
}

TEST(Builder, TheImageIsQuantizedWhereTheDescriptionSaysSo) {
  GraphNetwork network(placed(ActivationPlace::kEveryInput), small_flow());
  EXPECT_EQ(input_of(*network.program(), "conv1").path, "conv1_input");
  EXPECT_EQ(network.program()->layers().front().role, LayerRole::kFirst);
  EXPECT_NE(network.named_buffers().find("conv1_input.range"), nullptr);
}

TEST(Builder, RulesGiveSingleActivationsOtherBitWidths) {
  auto description = placed(ActivationPlace::kInput);
  description.activation_rules = {{"layer1.*", 2}, {"fc_input", 0}};
  const auto program = record(description, small_flow(), /*root=*/nullptr);
  const auto& quantizer = std::get<op::Activation>(input_of(program, "layer1.0.conv1").operation);
  EXPECT_EQ(quantizer.module->activation().bits(), 2);
  EXPECT_EQ(input_of(program, "fc").path, "global_average_pool") << "0 bits: no quantizer";
}

TEST(Builder, RefusesARuleThatSpeaksOfNoActivation) {
  NetworkDescription description;
  description.activation_rules = {{"layer9.*", 2}};
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { record(description, small_flow(), /*root=*/nullptr); }),
      "activation 'layer9.*': matches no quantized activation; they are layer1.0.relu1, layer1.0.relu2");
}

TEST(Builder, PadsChannelsWithZerosOnBothSides) {
  torch::NoGradGuard no_grad;
  NetworkDescription description;
  description.classes = 6;
  GraphNetwork network(description, [](Builder& b, Value image) {
    return b.global_average_pool(b.pad_channels(image, /*before=*/1, /*after=*/2));
  });
  const auto logits = network.forward(torch::ones({2, 3, 32, 32}));
  EXPECT_TRUE(torch::equal(logits, torch::tensor({0.0F, 1.0F, 1.0F, 1.0F, 0.0F, 0.0F}).expand({2, 6})));
}

TEST(Builder, DropsOutInTrainingAlone) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  NetworkDescription description;
  description.classes = 3 * 32 * 32;
  GraphNetwork network(description, [](Builder& b, Value image) {
    return b.flatten(b.dropout("drop", image, /*rate=*/0.25));
  });
  const auto images = torch::ones({10, 3, 32, 32});
  network.eval();
  EXPECT_TRUE(network.forward(images).eq(1).all().item<bool>());
  network.train();
  const auto dropped = network.forward(images);
  EXPECT_NEAR(dropped.eq(0).to(torch::kFloat32).mean().item<double>(), 0.25, 0.05);
  EXPECT_NEAR(dropped.max().item<double>(), 1 / 0.75, 1e-6);
}

TEST(Builder, RefusesRatesAndChannelsThatCannotBe) {
  EXPECT_TRUE(
      contains(refusal(ending([](Builder& b, Value x) { return b.dropout("drop", x, 1); })), "drop: a rate"));
  EXPECT_TRUE(
      contains(refusal(ending([](Builder& b, Value x) { return b.pad_channels(x, -1, 0); })), "channels"));
  const auto flow = ending([](Builder& b, Value x) { return b.conv("conv", b.dropout("drop", x, 0), 8, 3); });
  const auto program = record({}, flow, /*root=*/nullptr);
  EXPECT_EQ(program.nodes()[1].path, "conv") << "a rate of 0 is no node";
}

}  // namespace
}  // namespace bsq::test
