#include "bsq/methods/lsq/lsq_quantizer.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "bsq/io/checkpoint/packing.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/quant_conv2d.h"
#include "tests/bsq/methods/lsq/slow_lsq.h"

namespace bsq::test {
namespace {

// A weight of which some saturate.
torch::Tensor random_weight(torch::ScalarType type = torch::kFloat32) {
  return torch::randn({6, 5, 3, 3}, type);
}

TEST(LsqQuantizer, StartsAtThePapersStep) {
  torch::manual_seed(1);
  const auto weight = random_weight(torch::kFloat64);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    const auto quantizer = LsqQuantizer::for_weights(weight, bits);
    const double high = std::ldexp(1.0, static_cast<int>(bits) - 1) - 1;
    EXPECT_NEAR(quantizer->slots()[0].tensor.item<double>(),
                2 * weight.abs().mean().item<double>() / std::sqrt(high), 1e-12);
  }
}

TEST(LsqQuantizer, CodesStandForExactlyTheValues) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (int64_t bits = 2; bits <= 8; ++bits) {
      const auto weight = random_weight(type);
      const auto quantizer = LsqQuantizer::for_weights(weight, bits);
      const auto codes = quantizer->codes(weight);
      EXPECT_EQ(codes.format, twos_complement(bits));
      EXPECT_TRUE(torch::equal(value_of(codes), quantizer->forward(weight).detach())) << bits;
      const auto packed = pack_codes(codes.integers, codes.format);
      EXPECT_EQ(packed.numel(), bits * ((weight.numel() + 7) / 8)) << "no bit for a sign beside the others";
      EXPECT_TRUE(torch::equal(unpack_codes(packed, weight.sizes(), codes.format), codes.integers)) << bits;
    }
  }
}

TEST(LsqQuantizer, GradientsAreThoseOfTheFormulaOverAllWeights) {
  torch::manual_seed(3);
  const auto weight = random_weight(torch::kFloat64);
  const auto gradient = torch::randn_like(weight);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    const auto leaf = weight.clone().set_requires_grad(true);
    const auto quantizer = LsqQuantizer::for_weights(weight, bits);
    quantizer->forward(leaf).backward(gradient);
    const auto step = quantizer->slots()[0].tensor;
    const auto format = twos_complement(bits);
    const SlowTensor slow(weight, step.item<double>(), {format.low, format.high()}, gradient, weight.numel());
    EXPECT_TRUE(torch::equal(leaf.grad(), slow.x_gradient));
    EXPECT_NEAR(step.grad().item<double>(), slow.step_gradient, 1e-12 * (1 + std::abs(slow.step_gradient)));
  }
}

TEST(LsqQuantizer, RefusesOtherBitsAndSteps) {
  const auto message = [](int64_t bits, const torch::Tensor& step) {
    return message_of<std::invalid_argument>([&] { LsqQuantizer(bits, step); });
  };
  EXPECT_EQ(message(1, torch::tensor(1.0F)), "lsq: 1 bits; expected 2 to 16");
  EXPECT_EQ(message(17, torch::tensor(1.0F)), "lsq: 17 bits; expected 2 to 16");
  EXPECT_EQ(message(4, torch::ones({2})), "lsq: a step of shape [2]; expected one number");
  EXPECT_EQ(message(4, torch::tensor(0.0F)), "lsq: a step of 0.000000; expected a positive number");
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message(4, torch::tensor(kNan)), "lsq: a step of nan; expected a positive number");
  EXPECT_THROW(LsqQuantizer::for_weights(torch::tensor({1.0F, kNan}), 4), std::invalid_argument);
}

TEST(LsqQuantizer, RefusesStepsThatAFileBrings) {
  LsqQuantizer quantizer(4, torch::tensor(0.5F));
  quantizer.refresh();
  quantizer.slots()[0].tensor.detach().fill_(-1);
  EXPECT_THROW(quantizer.refresh(), std::invalid_argument);
}

TEST(LsqQuantizer, ACloneHasAStepOfItsOwn) {
  const LsqQuantizer quantizer(3, torch::tensor(0.5F));
  const auto clone = quantizer.clone();
  clone->slots()[0].tensor.detach().fill_(2);
  EXPECT_EQ(quantizer.slots()[0].tensor.item<float>(), 0.5F);
  EXPECT_TRUE(clone->slots()[0].tensor.requires_grad());
  EXPECT_EQ(clone->format(), twos_complement(3));
}

TEST(LsqQuantizer, AWeightOfZerosHasNoBits) {
  const auto weight = torch::zeros({2, 3});
  const MasterWeight source(weight, LsqQuantizer::for_weights(weight, 4));
  EXPECT_EQ(source.codes()->format.bits, 0);
  EXPECT_EQ(source.bits(), 4) << "in training it may come back";
}

TEST(LsqQuantizer, LoadsItsOwnFormatAlone) {
  torch::manual_seed(4);
  const auto weight = random_weight();
  auto stored = MasterWeight(weight, LsqQuantizer::for_weights(weight, 4)).store();
  const auto source = LsqQuantizer::load(stored, torch::kFloat32);
  EXPECT_EQ(source->kind(), "lsq");
  EXPECT_EQ(source->bits(), 4);
  stored.format = sign_magnitude(4);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { LsqQuantizer::load(stored, torch::kFloat32); }),
            "lsq: another grid of integers; expected two's complement");
}

TEST(LsqQuantizer, AMovedLayerMovesTheStep) {
  QuantConv2d layer(3, 4, 3);
  const auto weight = layer->weight_source().value().detach();
  layer->set_weight(std::make_unique<MasterWeight>(weight, LsqQuantizer::for_weights(weight, 4)));
  layer->to(torch::kFloat64);
  EXPECT_EQ(layer->forward(torch::rand({1, 3, 5, 5}, torch::kFloat64)).scalar_type(), torch::kFloat64);
  EXPECT_EQ(layer->named_parameters()["step"].scalar_type(), torch::kFloat64);
}

}  // namespace
}  // namespace bsq::test
