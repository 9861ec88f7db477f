#include "bsq/methods/hysteresis/hysteresis_quantizer.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/io/checkpoint/packing.h"
#include "bsq/methods/hysteresis/hysteresis_rule.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/quant_conv2d.h"
#include "tests/bsq/methods/hysteresis/slow_hysteresis.h"

namespace bsq::test {
namespace {

TEST(HysteresisQuantizer, AValueIsTheKeptSignTimesTheMeanMagnitude) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    const auto hidden = torch::randn(shape, torch::kFloat64);
    const auto signs = torch::randint(0, 2, shape, torch::kUInt8);
    const auto ours = values_of<double>(HysteresisQuantizer(signs).forward(hidden));
    const auto kept = values_of<int64_t>(signs);
    const double scale = slow_scale(values_of<double>(hidden));
    for (size_t i = 0; i < ours.size(); ++i) {
      ASSERT_NEAR(ours[i], kept[i] == 1 ? scale : -scale, 1e-12);
    }
  }
}

TEST(HysteresisQuantizer, CodesStandForExactlyTheValues) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : weight_shapes()) {
      const auto hidden = torch::randn(shape, type);
      const HysteresisQuantizer quantizer(torch::randint(0, 2, shape, torch::kUInt8));
      const auto codes = quantizer.codes(hidden);
      EXPECT_TRUE(torch::equal(value_of(codes), quantizer.forward(hidden)));
      const auto packed = pack_codes(codes.integers, codes.format);
      EXPECT_EQ(packed.numel(), (hidden.numel() + 7) / 8) << "one bit a weight";
      EXPECT_TRUE(torch::equal(unpack_codes(packed, hidden.sizes(), codes.format), codes.integers));
    }
  }
}

TEST(HysteresisQuantizer, TheGradientGoesStraightThroughAtAnySize) {
  torch::manual_seed(3);
  const auto hidden = torch::randn({4, 3, 3, 3}).mul_(100).set_requires_grad(true);
  const auto gradient = torch::randn_like(hidden);
  HysteresisQuantizer::for_weights(hidden)->forward(hidden).backward(gradient);
  EXPECT_TRUE(torch::equal(hidden.grad(), gradient));
}

TEST(HysteresisQuantizer, AWeightOfZerosHasNoBits) {
  const auto zeros = torch::zeros({2, 3, 1, 1});
  const MasterWeight source(zeros, HysteresisQuantizer::for_weights(zeros));
  EXPECT_EQ(source.codes()->format.bits, 0);
  EXPECT_TRUE(torch::equal(value_of(*source.codes()), source.value().detach()));
  EXPECT_EQ(source.bits(), 1) << "in training it may come back";
}

TEST(HysteresisQuantizer, AFileKeepsHiddenWeightsApartFromSigns) {
  torch::manual_seed(4);
  const auto hidden = torch::randn({3, 2, 3, 3});
  const auto signs = signs_of(-hidden);
  auto stored = MasterWeight(hidden, std::make_unique<HysteresisQuantizer>(signs)).store();
  EXPECT_TRUE(torch::equal(stored.value, hidden));
  const auto source = HysteresisQuantizer::load(stored, torch::kFloat32);
  source->slots()[1].tensor.copy_(signs);
  source->refresh();
  EXPECT_TRUE(torch::equal(source->codes()->integers, signs.to(torch::kInt32) * 2 - 1));
  stored.format = twos_complement(1);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { HysteresisQuantizer::load(stored, torch::kFloat32); }),
            "hysteresis: another grid of integers; expected -1 and 1");
}

TEST(HysteresisQuantizer, RefusesOtherSigns) {
  const std::string expected = "hysteresis: signs other than 0 and 1; expected 1 for + and 0 for -";
  EXPECT_EQ(message_of<std::invalid_argument>([] { HysteresisQuantizer(torch::tensor({0, 2})); }), expected);
  HysteresisQuantizer quantizer(torch::tensor({0, 1}));
  quantizer.slots()[0].tensor.fill_(3);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { quantizer.refresh(); }), expected);
}

TEST(HysteresisQuantizer, ACloneHasSignsOfItsOwn) {
  const HysteresisQuantizer quantizer(torch::tensor({0, 1}));
  const auto clone = quantizer.clone();
  clone->slots()[0].tensor.fill_(1);
  EXPECT_EQ(values_of<int64_t>(quantizer.signs()), (std::vector<int64_t>{0, 1}));
}

TEST(HysteresisQuantizer, AMovedLayerKeepsItsSignsAsTheyAreStored) {
  torch::manual_seed(5);
  QuantConv2d layer(3, 4, 3);
  const auto hidden = layer->weight_source().value().detach();
  layer->set_weight(std::make_unique<MasterWeight>(hidden, HysteresisQuantizer::for_weights(hidden)));
  layer->to(torch::kFloat64);
  EXPECT_EQ(layer->named_buffers()["sign"].scalar_type(), torch::kUInt8);
  EXPECT_EQ(layer->forward(torch::rand({1, 3, 5, 5}, torch::kFloat64)).scalar_type(), torch::kFloat64);
}

}  // namespace
}  // namespace bsq::test
