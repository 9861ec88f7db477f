#include "bsq/methods/frozen/grid_optimizer.h"

#include <torch/utils.h>

#include <cmath>

#include "bsq/methods/methods.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

constexpr SgdOptions kPlain{/*momentum=*/0, /*weight_decay=*/0};

const MasterWeight& fc_of(const SmallNetwork& network) {
  return dynamic_cast<const MasterWeight&>(network.fc->weight_source());
}

torch::Tensor scale_of(const MasterWeight& weight) { return weight.quantizer()->slots().front().tensor; }

// A frozen network whose fc has scale and q inside the grid.
std::shared_ptr<SmallNetwork> frozen_network(const torch::Tensor& scale) {
  auto network = std::make_shared<SmallNetwork>();
  network->to(torch::kFloat64);
  make_method("frozen")->begin(*network, {LayerRules(6)});
  network->fc->set_weight(
      std::make_unique<MasterWeight>(torch::rand({3, 8}, torch::kFloat64).sub(0.5),
                                     std::make_unique<GridQuantizer>(sign_magnitude(6), scale)));
  return network;
}

void step(SmallNetwork& network, GridOptimizer& optimizer, const torch::Tensor& gradient, double rate) {
  optimizer.zero_grad();
  (network.fc->weight_source().value() * gradient).sum().backward();
  optimizer.step(rate);
}

TEST(GridOptimizer, MovesTheWeightAsFarAsAFloatOne) {
  torch::manual_seed(1);
  for (const auto& scale : {torch::full({}, 0.01, torch::kFloat64), torch::full({}, 20.0, torch::kFloat64),
                            torch::tensor({0.1, 1.0, 3.0}, torch::kFloat64)}) {
    const auto network = frozen_network(scale);
    const auto norm = torch::zeros({}, torch::kFloat64);  // the scale stays, so that q alone moves
    GridOptimizer optimizer(*network, kPlain, {{"fc.weight", norm}});
    const auto gradient = torch::randn({3, 8}, torch::kFloat64).mul(scale.min().item<double>());
    const auto wide = along_channels(scale, gradient);
    const auto before = fc_of(*network).tensor().detach().clone().mul(wide);
    step(*network, optimizer, gradient, /*rate=*/0.05);
    const auto moved = fc_of(*network).tensor().detach().mul(wide);
    EXPECT_TRUE(torch::allclose(moved, before - 0.05 * gradient, 1e-9, 1e-12));
  }
}

TEST(GridOptimizer, TheScaleMovesByThePartAlongTheWeight) {
  torch::manual_seed(2);
  const auto network = frozen_network(torch::full({}, 0.5, torch::kFloat64));
  const auto value = network->fc->weight_source().value().detach().clone();
  GridOptimizer optimizer(*network, kPlain, {});
  step(*network, optimizer, value.mul(1e-3), /*rate=*/0.1);
  EXPECT_NEAR(scale_of(fc_of(*network)).item<double>(), 0.5 * std::exp(-0.1 * 1e-3), 1e-12);
}

TEST(GridOptimizer, AKeptNormIsWhatTheScaleMakes) {
  torch::manual_seed(3);
  const auto network = frozen_network(torch::full({}, 0.5, torch::kFloat64));
  const auto norm = network->fc->weight_source().value().detach().norm().clone();
  GridOptimizer optimizer(*network, kPlain, {{"fc.weight", norm}});
  for (int i = 0; i < 5; ++i) {
    step(*network, optimizer, torch::randn({3, 8}, torch::kFloat64), /*rate=*/0.1);
    EXPECT_NEAR(network->fc->weight_source().value().norm().item<double>(), norm.item<double>(), 1e-9);
  }
}

// As sawb leaves it where all weights of a channel are 0. It was 0 / 0.
TEST(GridOptimizer, AChannelWhoseScaleIsZeroStaysZero) {
  torch::manual_seed(5);
  const auto network = frozen_network(torch::tensor({0.0, 0.5, 1.0}, torch::kFloat64));
  GridOptimizer optimizer(*network, {0.9, 1e-3}, {});
  for (int i = 0; i < 3; ++i) {
    step(*network, optimizer, torch::randn({3, 8}, torch::kFloat64).mul(0.01), /*rate=*/0.1);
  }
  const auto value = network->fc->weight_source().value().detach();
  EXPECT_TRUE(value.isfinite().all().item<bool>());
  EXPECT_TRUE(value[0].eq(0).all().item<bool>());
  EXPECT_TRUE(fc_of(*network).tensor().isfinite().all().item<bool>());
}

TEST(GridOptimizer, GoesOnFromItsSavedState) {
  torch::manual_seed(4);
  const auto network = frozen_network(torch::full({}, 0.5, torch::kFloat64));
  GridOptimizer first(*network, {0.9, 1e-3}, {});
  const auto gradient = torch::randn({3, 8}, torch::kFloat64).mul(0.01);
  step(*network, first, gradient, /*rate=*/0.1);
  auto other = std::make_shared<SmallNetwork>();
  other->to(torch::kFloat64);
  load_network(*other, save_network(*network));
  GridOptimizer second(*other, {0.9, 1e-3}, {});
  second.load(first.state());
  step(*network, first, gradient, /*rate=*/0.1);
  step(*other, second, gradient, /*rate=*/0.1);
  expect_same_state(save_network(*other), save_network(*network));
}

}  // namespace
}  // namespace bsq::test
