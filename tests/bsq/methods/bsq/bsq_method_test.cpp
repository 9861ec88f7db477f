#include "bsq/methods/bsq/bsq_method.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

BsqOptions published_options() {
  BsqOptions options;
  options.step_rule = "published";
  return options;
}

Start start_with(int64_t bits) { return {LayerRules(bits)}; }

BsqOptions options_with(int64_t adjust_every) {
  auto options = published_options();
  options.adjust_every = adjust_every;
  return options;
}

void expect_binary(SmallNetwork& network) {
  for (const auto& [name, weight] : plane_weights(network)) {
    EXPECT_TRUE(is_sign_magnitude(weight->planes())) << name;
  }
}

TEST(BsqMethod, BeginsWithAFloatNetworkByTheRules) {
  torch::manual_seed(1);
  SmallNetwork network;
  BsqMethod method;
  method.begin(network, {LayerRules(8).layer_bits({{"fc", 3}}).keep_float({"conv2"})});
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {8, 0}}, {"fc", {3, 3}}}));
  expect_binary(network);
}

TEST(BsqMethod, BeginsWithAStoredNetworkAtItsOwnBits) {
  torch::manual_seed(2);
  for (const auto form : {Form::kPlanes, Form::kFrozen}) {
    SmallNetwork network;
    bring_to(network, form);
    network.fc->set_weight(plane_source(torch::full({3, 8}, 4.0F), /*bits=*/6));
    BsqMethod method;
    method.begin(network, start_with(/*bits=*/8));
    EXPECT_EQ(plane_weights(network).size(), 5U);
    EXPECT_EQ(network.fc->weight_source().bits(), 1) << "planes that no weight needs go";
    expect_binary(network);
  }
}

TEST(BsqMethod, AdoptingChangesNoValueAndKeepsRealPlanes) {
  torch::manual_seed(3);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  network.fc->set_weight(plane_source(torch::full({3, 8}, 4.0F), /*bits=*/6));
  const auto state = save_network(network);
  SmallNetwork other;
  load_network(other, state);
  BsqMethod method;
  method.adopt(other);
  EXPECT_EQ(other.fc->weight_source().bits(), 6);
  expect_same_state(save_network(other), state);
}

TEST(BsqMethod, AdjustsAtEveryInterval) {
  torch::manual_seed(4);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  BsqMethod method(options_with(/*adjust_every=*/3));
  const auto optimizer = method.make_optimizer(network, SgdOptions());
  std::vector<int64_t> adjusted;
  for (int64_t epoch = 0; epoch < 7; ++epoch) {
    if (method.before_epoch(network, epoch)) {
      adjusted.push_back(epoch);
    }
    EXPECT_EQ(method.last_restart(epoch), adjusted.back());
  }
  EXPECT_EQ(adjusted, (std::vector<int64_t>{0, 3, 6}));
}

TEST(BsqMethod, TheThresholdIsForTheIntervalsAlone) {
  torch::manual_seed(5);
  auto options = published_options();
  options.drop_threshold = 60;
  SmallNetwork network;
  to_bits(network, LayerRules(8));
  BsqMethod method(options);
  EXPECT_TRUE(method.end(network));
  EXPECT_EQ(network.conv2->weight_source().bits(), 8);
  method.before_epoch(network, /*epoch=*/0);
  EXPECT_LT(network.conv2->weight_source().bits(), 8);
}

TEST(BsqMethod, GrowthStopsAtMaxBits) {
  torch::manual_seed(6);
  for (const int64_t max_bits : {4, 8}) {
    auto options = published_options();
    options.max_bits = max_bits;
    SmallNetwork network;
    bring_to(network, Form::kPlanes);
    BsqMethod(options).end(network);
    EXPECT_EQ(network.conv2->weight_source().bits(), max_bits == 4 ? 4 : 5);
    expect_binary(network);
  }
}

TEST(BsqMethod, RefusesBitsBeyondItsOwnMost) {
  auto options = published_options();
  options.max_bits = 6;
  const BsqMethod method(options);
  EXPECT_NO_THROW(method.check_rules(LayerRules(6).layer_bits({{"fc", 2}})));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { method.check_rules(LayerRules(7)); }),
            "--bits 7: expected at most --max-bits, 6");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              method.check_rules(LayerRules(6).layer_bits({{"fc", 8}}));
            }),
            "--layer-bits fc=8: expected at most --max-bits, 6");
}

TEST(BsqMethod, MeasuresTheMeanPenaltyAndComp) {
  torch::manual_seed(7);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  BsqMethod method;
  const auto optimizer = method.make_optimizer(network, SgdOptions());
  StepSums sums;
  double expected = 0;
  for (int step = 0; step < 3; ++step) {
    expected += network_penalty(network).item<double>() / 3;
    optimizer->zero_grad();
    network.forward(torch::randn({8, 3, 8, 8})).square().sum().backward();
    optimizer->step(/*learning_rate=*/0.01);
    method.after_step(network, sums);
  }
  const auto sizes = sizes_of(network);
  const auto values = method.measure(network, sums, /*steps=*/3, sizes);
  ASSERT_EQ(values.size(), method.metric_names().size());
  EXPECT_NEAR(values[0], expected, 1e-4 * expected);
  EXPECT_EQ(values[1], sizes.comp());
  EXPECT_EQ(method.measure(network, {}, /*steps=*/0, sizes)[0], 0.0);
}

TEST(BsqMethod, AlphaActsThroughTheOptimizer) {
  torch::manual_seed(8);
  const auto penalty_after = [](double alpha) {
    torch::manual_seed(9);
    SmallNetwork network;
    bring_to(network, Form::kPlanes);
    auto options = published_options();
    options.alpha = alpha;
    BsqMethod method(options);
    const auto optimizer = method.make_optimizer(network, {/*momentum=*/0, /*weight_decay=*/0});
    network.forward(torch::randn({8, 3, 8, 8})).mul(0).sum().backward();
    optimizer->step(/*learning_rate=*/0.1);
    return network_penalty(network).item<double>();
  };
  EXPECT_LT(penalty_after(/*alpha=*/1), penalty_after(/*alpha=*/0));
}

}  // namespace
}  // namespace bsq::test
