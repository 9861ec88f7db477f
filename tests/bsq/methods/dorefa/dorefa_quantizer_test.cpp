#include "bsq/methods/dorefa/dorefa_quantizer.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "bsq/io/checkpoint/packing.h"
#include "bsq/methods/dorefa/dorefa_ste.h"
#include "bsq/nn/master_weight.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

// The paper's formula, one number after the other.
struct SlowDorefa {
  SlowDorefa(const std::vector<double>& weight, int64_t bits, const std::vector<double>& gradient) {
    size_t at_most = 0;
    for (size_t i = 0; i < weight.size(); ++i) {
      at_most = std::abs(weight[i]) > std::abs(weight[at_most]) ? i : at_most;
    }
    const double most = std::abs(std::tanh(weight[at_most]));
    const auto steps = static_cast<double>(max_integer(bits));
    double of_most = 0;
    for (size_t i = 0; i < weight.size(); ++i) {
      const double bounded = std::tanh(weight[i]);
      values.push_back(2 * std::nearbyint((bounded / (2 * most) + 0.5) * steps) / steps - 1);
      gradients.push_back(gradient[i] * (1 - bounded * bounded) / most);
      of_most -= gradient[i] * bounded / (most * most);
    }
    const double bounded = std::tanh(weight[at_most]);
    gradients[at_most] += of_most * (bounded > 0 ? 1 : -1) * (1 - bounded * bounded);
  }
  std::vector<double> values, gradients;
};

void expect_near(const torch::Tensor& ours, const std::vector<double>& slow) {
  const auto values = values_of<double>(ours);
  ASSERT_EQ(values.size(), slow.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], slow[i], 1e-10 * (1 + std::abs(slow[i])));
  }
}

TEST(DorefaQuantizer, IsThePapersFormulaWithItsGradients) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (int64_t bits = 2; bits <= 8; ++bits) {
      const auto weight = torch::randn(shape, torch::kFloat64).mul_(0.7).set_requires_grad(true);
      const auto gradient = torch::randn_like(weight);
      const auto value = DorefaQuantizer(bits).forward(weight);
      value.backward(gradient);
      const SlowDorefa slow(values_of<double>(weight), bits, values_of<double>(gradient));
      expect_near(value, slow.values);
      expect_near(weight.grad(), slow.gradients);
    }
  }
}

TEST(DorefaQuantizer, OneBitIsTheSignTimesTheMeanMagnitude) {
  const auto weight = torch::tensor({-1.5, -1e-9, 0.0, 1e-9, 2.5}, torch::kFloat64).set_requires_grad(true);
  const auto value = DorefaQuantizer(1).forward(weight);
  const double mean = (4.0 + 2e-9) / 5;
  expect_near(value, {-mean, -mean, mean, mean, mean});
  const auto gradient = torch::tensor({1.0, 2.0, 3.0, 4.0, 5.0}, torch::kFloat64);
  value.backward(gradient);
  EXPECT_TRUE(torch::equal(weight.grad(), gradient));
}

TEST(DorefaQuantizer, CodesStandForExactlyTheValues) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (int64_t bits = 1; bits <= 8; ++bits) {
      const auto weight = torch::randn({6, 5, 3, 3}, type);
      const DorefaQuantizer quantizer(bits);
      const auto codes = quantizer.codes(weight);
      EXPECT_EQ(codes.format, dorefa_format(bits));
      EXPECT_TRUE(torch::equal(value_of(codes), quantizer.forward(weight))) << bits;
      const auto packed = pack_codes(codes.integers, codes.format);
      EXPECT_EQ(packed.numel(), bits * ((weight.numel() + 7) / 8)) << "no bit for a sign beside the others";
      EXPECT_TRUE(torch::equal(unpack_codes(packed, weight.sizes(), codes.format), codes.integers)) << bits;
    }
  }
}

TEST(DorefaQuantizer, TheLargestWeightReachesTheEndOfTheGrid) {
  torch::manual_seed(3);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    EXPECT_EQ(DorefaQuantizer(bits).forward(torch::randn({50})).abs().max().item<float>(), 1);
  }
}

TEST(DorefaQuantizer, AWeightOfZerosStaysZeroAndHasNoBits) {
  for (const int64_t bits : {1, 2, 5}) {
    auto weight = torch::zeros({2, 3});
    const MasterWeight source(weight, std::make_unique<DorefaQuantizer>(bits));
    EXPECT_EQ(source.codes()->format.bits, 0) << bits;
    const auto value = source.value();
    EXPECT_FALSE(value.ne(0).any().item<bool>()) << bits;
    value.sum().backward();
    EXPECT_TRUE(source.tensor().grad().isfinite().all().item<bool>()) << bits;
  }
}

TEST(DorefaQuantizer, RefusesOtherBitsAndOtherGrids) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { DorefaQuantizer(9); }), "dorefa: 9 bits; expected 1 to 8");
  EXPECT_THROW(DorefaQuantizer(0), std::invalid_argument);
  auto stored = MasterWeight(torch::randn({4, 3}), std::make_unique<DorefaQuantizer>(3)).store();
  const auto source = DorefaQuantizer::load(stored, torch::kFloat32);
  EXPECT_EQ(source->kind(), "dorefa");
  EXPECT_EQ(source->bits(), 3);
  stored.format = twos_complement(3);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { DorefaQuantizer::load(stored, torch::kFloat32); }),
            "dorefa: another grid of integers; expected steps of 2 around 0");
}

}  // namespace
}  // namespace bsq::test
