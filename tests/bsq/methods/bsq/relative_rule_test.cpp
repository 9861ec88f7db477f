#include <torch/utils.h>

#include <cmath>

#include "bsq/methods/bsq/bsq_method.h"
#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/bsq/plane_optimizer.h"
#include "bsq/methods/bsq/real_planes.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "bsq/methods/kept_norms.h"
#include "models/registry.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr SgdOptions kPlain{/*momentum=*/0, /*weight_decay=*/0};

PlaneRule relative_rule(double alpha = 0) {
  auto rule = published_rule(alpha);
  rule.step = StepRule::kRelative;
  return rule;
}

// q of a weight's planes, before rounding.
torch::Tensor real_value(const PlaneWeight& weight) {
  const auto& planes = weight.planes();
  return plane_value(planes.positive, planes.negative).mul(planes.scale.item<double>()).detach().clone();
}

void backward(SmallNetwork& network, const torch::Tensor& gradient) {
  (network.fc->weight_source().value() * gradient).sum().backward();
}

PlaneWeight& fc_of(SmallNetwork& network) { return dynamic_cast<PlaneWeight&>(network.fc->weight_source()); }

// Planes that are far from both limits, so that none is clamped.
void put_inner_planes(SmallNetwork& network, int64_t bits, double scale) {
  auto source = std::make_unique<PlaneWeight>(BitPlanes{
      torch::rand({bits, 3, 8}, torch::kFloat64).mul(0.2).add(0.9),
      torch::rand({bits, 3, 8}, torch::kFloat64).mul(0.2).add(0.9), torch::full({}, scale, torch::kFloat64)});
  network.fc->set_weight(std::move(source));
}

TEST(RelativeRule, AStepMovesTheWeightAsFarAsAFloatOne) {
  torch::manual_seed(1);
  for (const int64_t bits : {1, 2, 5, 8}) {
    for (const double scale : {1e-3, 1.0, 50.0}) {
      SmallNetwork network;
      network.to(torch::kFloat64);
      to_bits(network, LayerRules(4));
      put_inner_planes(network, bits, scale);
      auto rule = relative_rule();
      rule.norms["fc.weight"] = rule_number(0);  // the scale stays, so that planes alone move
      PlaneOptimizer optimizer(network, kPlain, rule);
      const auto gradient = torch::randn({3, 8}, torch::kFloat64).mul(scale);
      const auto before = real_value(fc_of(network));
      optimizer.zero_grad();
      backward(network, gradient);
      optimizer.step(/*learning_rate=*/0.01);
      EXPECT_TRUE(torch::allclose(real_value(fc_of(network)), before - 0.01 * gradient, 1e-9, 1e-12 * scale))
          << bits << " bits, scale " << scale;
    }
  }
}

TEST(RelativeRule, TheScaleMovesByThePartAlongTheWeight) {
  torch::manual_seed(2);
  SmallNetwork network;
  network.to(torch::kFloat64);
  to_bits(network, LayerRules(8));
  const auto value = network.fc->weight_source().value().detach().clone();
  const auto gradient = value.mul(1e-3) + torch::randn({3, 8}, torch::kFloat64).mul(1e-6);
  const double scale = fc_of(network).planes().scale.item<double>();
  PlaneOptimizer optimizer(network, kPlain, relative_rule());
  optimizer.zero_grad();
  backward(network, gradient);
  optimizer.step(/*learning_rate=*/0.1);
  const double along = (gradient * value).sum().item<double>() / value.square().sum().item<double>();
  EXPECT_NEAR(fc_of(network).planes().scale.item<double>(), scale * std::exp(-0.1 * along), 1e-12);
}

TEST(RelativeRule, NoGradientMakesAScaleRunAway) {
  SmallNetwork network;
  to_bits(network, LayerRules(8));
  PlaneOptimizer optimizer(network, {/*momentum=*/0.9, /*weight_decay=*/0}, relative_rule());
  const double before = fc_of(network).planes().scale.item<double>();
  for (int step = 0; step < 100; ++step) {
    optimizer.zero_grad();
    backward(network, network.fc->weight_source().value().detach().mul(-1e6));
    optimizer.step(/*learning_rate=*/0.1);
  }
  const double after = fc_of(network).planes().scale.item<double>();
  EXPECT_GT(after, before);
  EXPECT_LT(after, before * std::exp(100 * 0.1 * kMostScaleStep * 10) * 1.001);
}

TEST(RelativeRule, AWeightInFrontOfANormKeepsItsSize) {
  torch::manual_seed(3);
  NetworkDescription description;
  description.options["depth"] = "8";
  const auto network = make_network(description);
  BsqOptions options;
  options.alpha = 1;
  BsqMethod method(options);
  method.begin(*network, {LayerRules(4)});
  const auto before = kept_norms(*network);
  EXPECT_EQ(before.size(), 7U) << "every quantized convolution of ResNet-8";
  EXPECT_EQ(before.count("fc.weight"), 0U);
  method.plan({/*epochs=*/4, /*steps=*/10});
  const auto optimizer = method.make_optimizer(*network, {0.9, 1e-4});
  for (int step = 0; step < 5; ++step) {
    optimizer->zero_grad();
    network->forward(torch::randn({4, 3, 32, 32})).square().mean().backward();
    optimizer->step(/*learning_rate=*/0.1);
  }
  for (const auto& [name, norm] : kept_norms(*network)) {
    EXPECT_NEAR(norm.item<double>(), before.at(name).item<double>(), 1e-4 * norm.item<double>()) << name;
  }
}

TEST(RelativeRule, AWeightWithoutADigitStaysWithoutOne) {
  SmallNetwork network;
  to_bits(network, LayerRules(4));
  network.fc->set_weight(std::make_unique<PlaneWeight>(
      BitPlanes{torch::zeros({1, 3, 8}), torch::zeros({1, 3, 8}), torch::ones({})}));
  PlaneOptimizer optimizer(network, kPlain, relative_rule());
  optimizer.zero_grad();
  backward(network, torch::ones({3, 8}));
  optimizer.step(/*learning_rate=*/10);
  EXPECT_EQ(network.fc->weight_source().value().abs().max().item<float>(), 0);
}

TEST(RelativeRule, MomentumOutlivesAPlaneThatGoes) {
  torch::manual_seed(4);
  SmallNetwork network;
  network.to(torch::kFloat64);
  to_bits(network, LayerRules(4));
  put_inner_planes(network, /*bits=*/4, /*scale=*/0.5);
  auto rule = relative_rule();
  rule.norms["fc.weight"] = rule_number(0);
  const SgdOptions options{/*momentum=*/0.9, /*weight_decay=*/0};
  PlaneOptimizer first(network, options, rule);
  const auto gradient = torch::randn({3, 8}, torch::kFloat64).mul(0.01);
  first.zero_grad();
  backward(network, gradient);
  first.step(/*learning_rate=*/0.01);
  const auto momenta = first.momenta_of_values();
  EXPECT_TRUE(torch::allclose(momenta.at("fc.weight"), gradient, 1e-9, 1e-12));
  put_inner_planes(network, /*bits=*/3, /*scale=*/0.4);
  PlaneOptimizer second(network, options, rule);
  second.take_momenta_of_values(momenta);
  const auto before = real_value(fc_of(network));
  second.zero_grad();
  backward(network, torch::zeros({3, 8}, torch::kFloat64));
  second.step(/*learning_rate=*/0.01);
  EXPECT_TRUE(torch::allclose(real_value(fc_of(network)), before - 0.01 * 0.9 * gradient, 1e-9, 1e-12));
}

}  // namespace
}  // namespace bsq::test
