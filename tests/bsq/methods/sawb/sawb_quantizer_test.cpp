#include "bsq/methods/sawb/sawb_quantizer.h"

#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "bsq/io/checkpoint/packing.h"
#include "bsq/methods/sawb/sawb_ste.h"
#include "bsq/nn/master_weight.h"
#include "tests/bsq/methods/sawb/slow_sawb.h"

namespace bsq::test {
namespace {

constexpr int64_t kBits[] = {2, 3, 4, 5, 8};
constexpr SawbKind kEveryKind[] = {SawbKind::kLayer, SawbKind::kChannel, SawbKind::kTwiceMean};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{1, 1},  {3, 1, 1, 1},  {5, 2, 3, 3},
                                         {7, 11}, {16, 3, 3, 3}, {4, 33, 5, 5}};
  return all;
}

// A weight of which some saturate.
torch::Tensor random_weight(const Shape& shape, torch::ScalarType type = torch::kFloat64) {
  return torch::randn(shape, type).mul_(torch::rand(shape, type)).add_(0.02);
}

TEST(SawbQuantizer, IsTheFormulaNumberByNumber) {
  torch::manual_seed(1);
  for (const auto& shape : shapes()) {
    for (const int64_t bits : kBits) {
      for (const auto kind : kEveryKind) {
        const auto weight = random_weight(shape);
        std::vector<double> expected, clips;
        for (const auto& group : clip_groups(weight, kind)) {
          clips.push_back(slow_clip(group, bits, kind == SawbKind::kTwiceMean));
          for (const double w : group) {
            expected.push_back(slow_sawb(w, clips.back(), bits));
          }
        }
        const auto clip = sawb_clip(weight, bits, kind);
        EXPECT_EQ(clip.dim(), kind == SawbKind::kChannel ? 1 : 0);
        EXPECT_TRUE(torch::allclose(clip.flatten(), tensor_of(clips, {clip.numel()}), 1e-10, 0)) << bits;
        const auto value = SawbQuantizer(bits, kind).forward(weight);
        EXPECT_TRUE(torch::allclose(value, tensor_of(expected, shape), 1e-9, 1e-14)) << bits << shape;
      }
    }
  }
}

TEST(SawbQuantizer, CodesStandForExactlyTheValues) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const int64_t bits : kBits) {
      for (const auto kind : kEveryKind) {
        const auto weight = random_weight({6, 5, 3, 3}, type);
        const SawbQuantizer quantizer(bits, kind);
        const auto codes = quantizer.codes(weight);
        EXPECT_EQ(codes.format, twos_complement(bits));
        EXPECT_TRUE(torch::equal(value_of(codes), quantizer.forward(weight))) << bits;
        EXPECT_LE(codes.integers.abs().max().item<int64_t>(), sawb_levels(bits)) << "symmetric";
        const auto packed = pack_codes(codes.integers, codes.format);
        EXPECT_TRUE(torch::equal(unpack_codes(packed, weight.sizes(), codes.format), codes.integers));
        const auto frozen = make_frozen(codes);
        EXPECT_TRUE(torch::equal(frozen->value(), quantizer.forward(weight))) << "finetuning begins there";
      }
    }
  }
}

// d clip / d w of a channel by differences.
double slope_by_differences(std::vector<double> weights, size_t i, int64_t bits) {
  constexpr double kStep = 1e-6;
  const double w = weights[i];
  weights[i] = w + kStep;
  const double above = slow_clip(weights, bits, false);
  weights[i] = w - kStep;
  return (above - slow_clip(weights, bits, false)) / (2 * kStep);
}

TEST(SawbQuantizer, GradientPassesInsideTheClipAndAChannelsGoesThroughIt) {
  torch::manual_seed(3);
  for (const int64_t bits : kBits) {
    for (const auto kind : kEveryKind) {
      const auto weight = random_weight({4, 3, 3, 3}).set_requires_grad(true);
      const auto gradient = torch::randn_like(weight);
      SawbQuantizer(bits, kind).forward(weight).backward(gradient);
      const auto groups = clip_groups(weight, kind);
      const auto incoming = values_of<double>(gradient);
      std::vector<double> expected;
      for (const auto& group : groups) {
        const double clip = slow_clip(group, bits, kind == SawbKind::kTwiceMean);
        const size_t first = expected.size();
        double of_clip = 0;
        for (size_t i = 0; i < group.size(); ++i) {
          const double g = incoming[first + i];
          expected.push_back(std::abs(group[i]) <= clip ? g : 0);
          of_clip += group[i] > clip ? g : group[i] < -clip ? -g : 0;
        }
        for (size_t i = 0; kind == SawbKind::kChannel && of_clip != 0 && i < group.size(); ++i) {
          expected[first + i] += of_clip * slope_by_differences(group, i, bits);
        }
      }
      EXPECT_TRUE(torch::allclose(weight.grad(), tensor_of(expected, weight.sizes().vec()), 1e-6, 1e-8))
          << bits;
    }
  }
}

TEST(SawbQuantizer, WhereTheFormulaGivesNoClipItIsTheLargestWeight) {
  const auto weight =
      torch::tensor({{0.5, 0.4, 0.5, 0.4}, {0.1, 0.4, -2.0, 0.3}, {0.0, 0.0, 0.0, 0.0}}, torch::kFloat64);
  const auto clip = sawb_clip(weight, 8, SawbKind::kChannel);
  EXPECT_EQ(clip[0].item<double>(), 0.5) << "weights of one sign";
  EXPECT_EQ(clip[2].item<double>(), 0);
  for (const auto kind : kEveryKind) {
    const auto zeros = torch::zeros({2, 3}).set_requires_grad(true);
    const auto value = sawb_ste(zeros, 4, kind);
    EXPECT_TRUE(torch::equal(value, torch::zeros({2, 3})));
    value.backward(torch::ones({2, 3}));
    EXPECT_TRUE(torch::equal(zeros.grad(), torch::zeros({2, 3}))) << "no gradient";
  }
  const auto leaf = weight.clone().set_requires_grad(true);
  sawb_ste(leaf, 8, SawbKind::kChannel).backward(torch::ones_like(weight));
  EXPECT_TRUE(leaf.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(torch::equal(leaf.grad()[2], torch::zeros({4}, torch::kFloat64)));
}

TEST(SawbQuantizer, SizesWithoutAStepToThemAreZero) {
  const auto weight = torch::tensor({{1e-38F, -1e-38F}, {1e-42F, 1e-42F}});
  for (const auto kind : kEveryKind) {
    EXPECT_TRUE(torch::equal(SawbQuantizer(4, kind).forward(weight), torch::zeros({2, 2})));
  }
}

TEST(SawbQuantizer, ANumberThatIsNoneStaysVisible) {
  const auto weight = torch::tensor({{1.0F, std::numeric_limits<float>::quiet_NaN()}});
  EXPECT_FALSE(SawbQuantizer(4, SawbKind::kLayer).forward(weight).isfinite().all().item<bool>());
}

TEST(SawbQuantizer, TwoForwardPassesAddUp) {
  torch::manual_seed(4);
  const auto weight = random_weight({4, 3, 3, 3});
  const MasterWeight once(weight, std::make_unique<SawbQuantizer>(4, SawbKind::kChannel));
  const MasterWeight twice(weight, std::make_unique<SawbQuantizer>(4, SawbKind::kChannel));
  const auto a = torch::randn_like(weight), b = torch::randn_like(weight);
  once.value().backward(a + b);
  const auto first = twice.value(), second = twice.value();
  first.backward(a);
  second.backward(b);
  EXPECT_TRUE(torch::allclose(twice.tensor().grad(), once.tensor().grad(), 1e-12, 1e-12));
}

TEST(SawbQuantizer, RefusesOtherBitsAndFormats) {
  const auto message = [](int64_t bits) {
    return message_of<std::invalid_argument>([&] { SawbQuantizer(bits, SawbKind::kLayer); });
  };
  EXPECT_EQ(message(6), "sawb: 6 bits; expected 2, 3, 4, 5 or 8");
  EXPECT_EQ(message(32), "sawb: 32 bits; expected 2, 3, 4, 5 or 8");
  const auto quantizer = std::make_unique<SawbQuantizer>(4, SawbKind::kLayer);
  auto stored = MasterWeight(torch::randn({2, 3}), quantizer->clone()).store();
  EXPECT_EQ(SawbQuantizer::load(SawbKind::kLayer, stored, torch::kFloat32)->kind(), "sawb");
  stored.format = sign_magnitude(4);
  EXPECT_THROW(SawbQuantizer::load(SawbKind::kLayer, stored, torch::kFloat32), std::invalid_argument);
}

TEST(SawbQuantizer, SaysItsRule) {
  EXPECT_EQ(SawbQuantizer(4, SawbKind::kLayer).text(),
            "clip 12.987 sigma - 13.156 mean|w| (BNFusionTrain), one a layer");
  EXPECT_EQ(SawbQuantizer(2, SawbKind::kChannel).text(),
            "clip 3.120 rms - 2.064 mean|w| (public coefficients), one a channel");
  EXPECT_EQ(SawbQuantizer(8, SawbKind::kTwiceMean).text(), "clip 2 mean|w|, one a layer");
}

}  // namespace
}  // namespace bsq::test
