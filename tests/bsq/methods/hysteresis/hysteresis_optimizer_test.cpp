#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/hysteresis/hysteresis_quantizer.h"
#include "bsq/methods/hysteresis/loop_optimizer.h"
#include "bsq/methods/hysteresis/published_optimizer.h"
#include "tests/bsq/methods/hysteresis/hysteresis_network.h"
#include "tests/bsq/methods/hysteresis/slow_hysteresis.h"

namespace bsq::test {
namespace {

constexpr double kRate = 0.3;
constexpr SgdOptions kSgd{/*momentum=*/0.9, /*weight_decay=*/0.02};

// A binary layer's hidden weights, signs and momenta, stepped one by one.
struct SlowLayer {
  explicit SlowLayer(const torch::Tensor& weight) : hidden(values_of<double>(weight)) {
    for (const double h : hidden) {
      signs.push_back(h >= 0 ? 1 : -1);
    }
    momenta.resize(hidden.size());
  }
  void step(const torch::Tensor& gradient, const LoopThreshold& threshold) {
    const auto g = values_of<double>(gradient);
    for (size_t i = 0; i < hidden.size(); ++i) {
      momenta[i] = kSgd.momentum * momenta[i] + g[i] + kSgd.weight_decay * hidden[i];
      hidden[i] -= kRate * momenta[i];
    }
    const double limit = threshold.value * (threshold.is_relative ? slow_scale(hidden) : 1);
    for (size_t i = 0; i < hidden.size(); ++i) {
      signs[i] = slow_loop(signs[i], hidden[i], limit);
    }
  }
  std::vector<double> values() const {
    std::vector<double> result;
    for (const int sign : signs) {
      result.push_back(sign * slow_scale(hidden));
    }
    return result;
  }

  std::vector<double> hidden, momenta;
  std::vector<int> signs;
};

void expect_near(const std::vector<double>& ours, const std::vector<double>& slow) {
  ASSERT_EQ(ours.size(), slow.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_NEAR(ours[i], slow[i], 1e-12);
  }
}

TEST(LoopOptimizer, StepsAsOneWeightAfterTheOther) {
  torch::manual_seed(1);
  for (const bool is_relative : {false, true}) {
    const LoopThreshold threshold{is_relative ? 0.5 : 0.1, is_relative};
    const auto network = hysteresis_network();
    network->to(torch::kFloat64);
    SlowLayer slow(network->conv2->named_parameters()["weight"]);
    LoopOptimizer optimizer(*network, kSgd, threshold);
    for (int step = 0; step < 12; ++step) {
      optimizer.zero_grad();
      const auto gradient = torch::randn({8, 8, 3, 3}, torch::kFloat64).mul(0.2);
      network->conv2->weight_source().value().backward(gradient);
      optimizer.step(kRate);
      slow.step(gradient, threshold);
      expect_near(values_of<double>(network->conv2->named_parameters()["weight"]), slow.hidden);
      expect_near(values_of<double>(network->conv2->weight_source().value()), slow.values());
    }
  }
}

TEST(LoopOptimizer, TwoForwardPassesMakeTheStepOfTheJoinedBatch) {
  torch::manual_seed(2);
  const auto x = torch::randn({8, 3, 8, 8}, torch::kFloat64);
  const auto ours = hysteresis_network();
  const auto theirs = hysteresis_network_of(save_network(*ours));
  for (const auto& network : {ours, theirs}) {
    network->to(torch::kFloat64);
    network->eval();  // batch norm joins the images of a batch
  }
  LoopOptimizer split(*ours, kSgd, {}), joined(*theirs, kSgd, {});
  ours->forward(x.narrow(0, 0, 3)).square().sum().backward();
  ours->forward(x.narrow(0, 3, 5)).square().sum().backward();
  split.step(kRate);
  theirs->forward(x).square().sum().backward();
  joined.step(kRate);
  const auto expected = theirs->named_parameters();
  for (const auto& item : ours->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
  }
  EXPECT_TRUE(torch::equal(ours->named_buffers()["conv2.sign"], theirs->named_buffers()["conv2.sign"]));
}

// A weight of `v` moves by the published rule, and `h` is what the optimizer keeps.
struct PublishedLayer {
  PublishedLayer() {
    network.register_parameter("v", torch::randn({6, 4, 3, 3}, torch::kFloat64).mul_(0.1));
    network.register_parameter("bias", torch::randn({6}, torch::kFloat64));
  }
  void step(Optimizer& optimizer) {
    for (auto& item : network.named_parameters()) {
      item.value().mutable_grad() = torch::randn_like(item.value()).mul_(0.1);
    }
    optimizer.step(kRate);
  }
  torch::nn::Module network;
};

TEST(PublishedOptimizer, ItsStateIsAllThatItNeedsToGoOn) {
  torch::manual_seed(3);
  PublishedLayer whole;
  PublishedOptimizer optimizer(whole.network, kSgd, /*threshold=*/0.05, {"v"});
  whole.step(optimizer);
  PublishedLayer part;
  for (const char* name : {"v", "bias"}) {
    part.network.named_parameters()[name].detach().copy_(whole.network.named_parameters()[name]);
  }
  PublishedOptimizer resumed(part.network, kSgd, /*threshold=*/0.05, {"v"});
  resumed.load(optimizer.state());
  for (int step = 0; step < 3; ++step) {
    torch::manual_seed(10 + step);
    whole.step(optimizer);
    torch::manual_seed(10 + step);
    part.step(resumed);
  }
  for (const char* name : {"v", "bias"}) {
    EXPECT_TRUE(torch::equal(part.network.named_parameters()[name], whole.network.named_parameters()[name]));
  }
  auto without = optimizer.state();
  without.erase("v.hidden");
  EXPECT_THROW(resumed.load(without), std::invalid_argument);
}

TEST(PublishedOptimizer, LeavesSomeWeightsNeitherSign) {
  torch::manual_seed(4);
  PublishedLayer layer;
  PublishedOptimizer optimizer(layer.network, kSgd, /*threshold=*/1, {"v"});
  layer.step(optimizer);
  const auto hidden = optimizer.state().at("v.hidden");
  const auto full = layer.network.named_parameters()["v"].abs().sub(hidden.abs().mean()).abs().lt(1e-12);
  EXPECT_GT(full.sum().item<int64_t>(), 0);
  EXPECT_LT(full.sum().item<int64_t>(), full.numel());
}

}  // namespace
}  // namespace bsq::test
