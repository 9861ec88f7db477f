#include "bsq/nn/folded_weight.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/methods.h"
#include "bsq/methods/sawb/sawb_quantizer.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

std::unique_ptr<FoldedWeight> folded(const torch::Tensor& weight, const torch::Tensor& gain,
                                     int64_t bits = 4) {
  return std::make_unique<FoldedWeight>(weight, std::make_unique<SawbQuantizer>(bits, SawbKind::kLayer),
                                        gain);
}

// Gains of either sign, one of them 0.
torch::Tensor some_gain(int64_t channels, torch::ScalarType type = torch::kFloat64) {
  auto gain = torch::randn({channels}, type) + 0.1;
  gain[0] = 0;
  return gain;
}

// Q(W g) / g weight by weight, from the clip of the folded weight.
torch::Tensor slow_value(const torch::Tensor& weight, const torch::Tensor& gain, int64_t bits) {
  const auto product = (weight * along_channels(gain, weight)).contiguous();
  const double clip = sawb_clip(product, bits, SawbKind::kLayer).item<double>();
  const double levels = static_cast<double>(sawb_levels(bits));
  auto value = torch::zeros_like(product);
  const auto per_channel = product.numel() / product.size(0);
  for (int64_t i = 0; i < product.numel(); ++i) {
    const double g = gain[i / per_channel].item<double>();
    const double w = std::clamp(product.view(-1)[i].item<double>(), -clip, clip);
    value.view(-1)[i] = g == 0 ? 0 : std::nearbyint(w * (levels / clip)) * (clip / levels) / g;
  }
  return value;
}

TEST(FoldedWeight, IsQuantizedWithTheGainAndGivenWithoutIt) {
  torch::manual_seed(1);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{5, 3, 3, 3}, {7, 1, 3, 3}, {4, 6, 1, 1}}) {
    for (const int64_t bits : {2, 4, 8}) {
      const auto weight = torch::randn(shape, torch::kFloat64);
      const auto gain = some_gain(shape[0]);
      const auto source = folded(weight, gain, bits);
      EXPECT_TRUE(torch::allclose(source->value(), slow_value(weight, gain, bits), 1e-12, 1e-12));
      EXPECT_TRUE(torch::equal(source->plain_value(), SawbQuantizer(bits, SawbKind::kLayer).forward(weight)));
      const auto product = source->folded_value(gain);
      EXPECT_TRUE(torch::allclose(source->value() * along_channels(gain, weight), product, 1e-12, 1e-12));
    }
  }
}

TEST(FoldedWeight, CodesAreTheValueToTheLastBit) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const auto source = folded(torch::randn({9, 4, 3, 3}, type), some_gain(9, type));
    const auto codes = *source->codes();
    EXPECT_TRUE(torch::equal(value_of(codes), source->value()));
    EXPECT_EQ(codes.scale.numel(), 9);
    EXPECT_FALSE(codes.integers[0].any().item<bool>()) << "a channel without a gain";
    EXPECT_TRUE(codes.scale.ne(0).all().item<bool>());
    EXPECT_LE(codes.integers.abs().max().item<int>(), 7);
  }
}

TEST(FoldedWeight, TheGradientOfTheValueIsStraightThrough) {
  torch::manual_seed(3);
  const auto weight = torch::randn({6, 4, 3, 3}, torch::kFloat64);
  const auto gain = some_gain(6);
  const auto source = folded(weight, gain);
  const auto upstream = torch::randn_like(weight);
  source->value().backward(upstream);
  const auto product = weight * along_channels(gain, weight);
  const auto is_inside = product.abs() <= sawb_clip(product, 4, SawbKind::kLayer);
  const auto expected = upstream * is_inside * along_channels(gain.ne(0), weight);
  EXPECT_TRUE(torch::allclose(source->slots()[0].tensor.grad(), expected, 1e-12, 1e-12));
  EXPECT_FALSE(source->gain().requires_grad());
}

TEST(FoldedWeight, ComesBackFromAFile) {
  register_methods();
  torch::manual_seed(4);
  for (const auto kind : {SawbKind::kLayer, SawbKind::kChannel, SawbKind::kTwiceMean}) {
    const FoldedWeight source(torch::randn({3, 2, 3, 3}), std::make_unique<SawbQuantizer>(3, kind),
                              some_gain(3, torch::kFloat32));
    const auto stored = source.store();
    EXPECT_EQ(stored.source, std::string(SawbQuantizer::kKinds[static_cast<int>(kind)]) + "_folded");
    const auto again = make_weight_source(stored, torch::dtype(torch::kFloat32));
    for (const auto& slot : again->slots()) {
      if (slot.name == "gain") {
        slot.tensor.copy_(source.gain());
      }
    }
    EXPECT_TRUE(torch::equal(again->value(), source.value()));
    EXPECT_TRUE(torch::equal(source.clone()->value(), source.value()));
    EXPECT_EQ(again->text(), source.text());
    EXPECT_NE(source.text().find("times the norm's gain"), std::string::npos);
  }
}

TEST(FoldedWeight, ACloneHasAGainOfItsOwn) {
  const auto source = folded(torch::randn({3, 2}), torch::ones({3}));
  const auto copy = source->clone();
  source->set_gain(torch::full({3}, 2.0));
  EXPECT_TRUE(torch::equal(dynamic_cast<FoldedWeight&>(*copy).gain(), torch::ones({3})));
}

TEST(FoldedWeight, AWeightWithoutAGainNeedsNoBits) {
  const auto codes = *folded(torch::randn({3, 2}), torch::zeros({3}))->codes();
  EXPECT_EQ(codes.format.bits, 0);
}

TEST(FoldedWeight, RefusesAGainOfAnotherShape) {
  EXPECT_THROW(folded(torch::randn({3, 2}), torch::ones({2})), std::invalid_argument);
  EXPECT_THROW(folded(torch::randn({3, 2}), torch::ones({})), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
