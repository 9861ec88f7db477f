#include "bsq/methods/bsq/size_target.h"

#include <torch/utils.h>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

std::map<std::string, torch::Tensor> equal_sensitivities(SmallNetwork& network) {
  std::map<std::string, torch::Tensor> sensitivities;
  for (const auto& [name, weight] : plane_weights(network)) {
    sensitivities[name] = torch::ones({}, torch::kFloat64);
  }
  return sensitivities;
}

TEST(SizeTarget, MeasuresWhatTheAccountingSays) {
  const auto sizes = count_sizes({{"w", {100}, 100, 4}}, /*float_elements=*/10);
  EXPECT_DOUBLE_EQ((SizeTarget{SizeTarget::Measure::kComp, 16}).excess(sizes), 16 / sizes.comp());
  EXPECT_DOUBLE_EQ((SizeTarget{SizeTarget::Measure::kStored, 6}).excess(sizes), 6 / sizes.comp_stored());
  EXPECT_DOUBLE_EQ((SizeTarget{SizeTarget::Measure::kKilobytes, 0.1}).excess(sizes),
                   static_cast<double>(sizes.stored_bits) / 800);
}

TEST(SizeTarget, IsReachedFromEveryMeasure) {
  torch::manual_seed(1);
  for (const SizeTarget target :
       {SizeTarget{SizeTarget::Measure::kComp, 9}, SizeTarget{SizeTarget::Measure::kStored, 3.5},
        SizeTarget{SizeTarget::Measure::kKilobytes, 0.9}}) {
    SmallNetwork network;
    to_bits(network, LayerRules(8));
    const auto fit = fit_to_size(network, target, /*excess=*/1, equal_sensitivities(network));
    EXPECT_GT(fit.dropped, 0);
    EXPECT_LE(fit.excess, 1);
    EXPECT_GT(fit.excess, 0.85) << "a network of 827 weights has few sizes";
    EXPECT_DOUBLE_EQ(target.excess(sizes_of(network)), fit.excess);
  }
}

TEST(SizeTarget, ANetworkThatIsSmallEnoughStays) {
  SmallNetwork network;
  to_bits(network, LayerRules(4));
  const auto before = save_network(network);
  const auto fit =
      fit_to_size(network, {SizeTarget::Measure::kComp, 8}, /*excess=*/1, equal_sensitivities(network));
  EXPECT_EQ(fit.dropped, 0);
  expect_same_state(save_network(network), before);
}

TEST(SizeTarget, TheLayerThatTheLossFeelsKeepsItsBits) {
  torch::manual_seed(2);
  SmallNetwork network;
  to_bits(network, LayerRules(8));
  auto sensitivities = equal_sensitivities(network);
  sensitivities["conv2.weight"].fill_(1e6);
  fit_to_size(network, {SizeTarget::Measure::kComp, 5}, /*excess=*/1, sensitivities);
  const auto scheme = scheme_of(network);
  EXPECT_EQ(scheme.at("conv2").weight, 8);
  EXPECT_LT(scheme.at("conv1").weight, 8);
  EXPECT_EQ(scheme.at("conv2").bias, 8) << "biases cost nothing and keep theirs";
}

TEST(SizeTarget, WhatCannotBeReachedEndsAtOnePlane) {
  SmallNetwork network;
  to_bits(network, LayerRules(3));
  const auto fit =
      fit_to_size(network, {SizeTarget::Measure::kComp, 1e5}, /*excess=*/1, equal_sensitivities(network));
  EXPECT_GT(fit.excess, 1);
  const auto scheme = scheme_of(network);
  EXPECT_EQ(scheme.at("conv1").weight, 0) << "only a layer that is first or last keeps one plane";
  EXPECT_EQ(scheme.at("fc").bias, 3);
}

}  // namespace
}  // namespace bsq::test
