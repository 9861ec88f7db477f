#include "bsq/methods/profit/duq_quantizer.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/nn/master_weight.h"
#include "tests/bsq/methods/profit/slow_duq.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

torch::Tensor slot_of(const Quantizer& quantizer, size_t index) { return quantizer.slots().at(index).tensor; }

TEST(DuqQuantizer, IsTheSlowFormulaOnRandomShapes) {
  torch::manual_seed(1);
  for (int trial = 0; trial < 40; ++trial) {
    const int64_t bits = 2 + trial % 7;
    const int64_t channels = 1 + trial % 5;
    const bool is_channel_wise = trial % 2 == 1;
    const auto weight =
        torch::randn({channels, 1 + trial % 3, 1 + trial % 4}, torch::kFloat64).set_requires_grad(true);
    const std::vector<int64_t> shape(is_channel_wise ? 1 : 0, channels);
    const DuqQuantizer quantizer(bits, torch::randn(shape, torch::kFloat64),
                                 torch::randn(shape, torch::kFloat64));
    const auto a = slot_of(quantizer, 0), c = slot_of(quantizer, 1);
    const auto value = quantizer.forward(weight);
    const auto gradient = torch::randn_like(weight);
    value.backward(gradient);
    auto da = torch::zeros_like(a).flatten(), dc = torch::zeros_like(c).flatten();
    const auto as = a.detach().flatten(), cs = c.detach().flatten();
    const auto x = weight.detach().reshape({channels, -1}), g = gradient.reshape({channels, -1});
    const auto y = value.detach().reshape({channels, -1}), dx = weight.grad().reshape({channels, -1});
    for (int64_t channel = 0; channel < channels; ++channel) {
      const int64_t own = is_channel_wise ? channel : 0;
      for (int64_t i = 0; i < x.size(1); ++i) {
        const SlowDuq slow(x[channel][i].item<double>(), as[own].item<double>(), cs[own].item<double>(),
                           duq_weight_grid(bits));
        const double incoming = g[channel][i].item<double>();
        EXPECT_NEAR(y[channel][i].item<double>(), slow.value, 1e-12);
        EXPECT_NEAR(dx[channel][i].item<double>(), incoming * slow.dx, 1e-12);
        da[own] += incoming * slow.da;
        dc[own] += incoming * slow.dc;
      }
    }
    EXPECT_TRUE(torch::allclose(a.grad().flatten(), da, 1e-10, 1e-12)) << "trial " << trial;
    EXPECT_TRUE(torch::allclose(c.grad().flatten(), dc, 1e-10, 1e-12)) << "trial " << trial;
  }
}

TEST(DuqQuantizer, CodesHaveTheValuesToTheLastBit) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (int64_t bits = 2; bits <= 8; ++bits) {
      for (const bool is_channel_wise : {false, true}) {
        const auto weight = torch::randn({6, 4, 3, 3}, type);
        const auto quantizer = DuqQuantizer::for_weights(weight, bits, is_channel_wise);
        const auto codes = quantizer->codes(weight);
        EXPECT_TRUE(same_bits(value_of(codes), quantizer->forward(weight).detach())) << bits;
        EXPECT_LE(codes.integers.abs().max().item<int64_t>(), (1 << (bits - 1)) - 1) << bits;
        EXPECT_EQ(codes.format.bits, bits);
        EXPECT_EQ(codes.scale.dim(), is_channel_wise ? 1 : 0);
      }
    }
  }
}

TEST(DuqQuantizer, AnotherBitWidthKeepsItsNumbers) {
  const auto weight = torch::linspace(-1, 1, 20).reshape({4, 5});
  const auto eight = DuqQuantizer::for_weights(weight, 8, /*is_channel_wise=*/true);
  const auto four = eight->at_bits(4);
  EXPECT_EQ(four->format().levels, 7);
  for (const size_t slot : {0, 1}) {
    EXPECT_TRUE(same_bits(slot_of(*four, slot).detach(), slot_of(*eight, slot).detach()));
  }
}

TEST(DuqQuantizer, ZerosHaveAStartToo) {
  const auto quantizer = DuqQuantizer::for_weights(torch::zeros({3, 2}), 4, /*is_channel_wise=*/false);
  const auto value = quantizer->forward(torch::zeros({3, 2}));
  EXPECT_TRUE(torch::equal(value, torch::zeros({3, 2})));
}

TEST(DuqQuantizer, LargeNumbersStandForThemselves) {
  EXPECT_EQ(duq_softplus(torch::tensor(25.0, torch::kFloat64)).item<double>(), 25);
  EXPECT_EQ(duq_softplus(torch::tensor(800.0)).item<float>(), 800);
  for (const double value : {1e-3, 0.5, 6.0, 19.0, 40.0}) {
    EXPECT_NEAR(duq_softplus(torch::tensor(duq_inverse_softplus(value), torch::kFloat64)).item<double>(),
                value, 1e-7 * value);
  }
}

TEST(DuqQuantizer, AStoredWeightComesBack) {
  torch::manual_seed(3);
  const auto weight = torch::randn({4, 2, 3, 3});
  const MasterWeight source(weight, DuqQuantizer::for_weights(weight, 5, /*is_channel_wise=*/false));
  const auto loaded = DuqQuantizer::load(source.store(), torch::dtype(torch::kFloat32));
  torch::NoGradGuard no_grad;
  auto slots = loaded->slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[i].tensor.copy_(source.slots()[i].tensor);
  }
  loaded->refresh();
  EXPECT_TRUE(same_bits(loaded->value(), source.value()));
  EXPECT_EQ(loaded->bits(), 5);
}

TEST(DuqQuantizer, WhatItCannotComputeWithIsRejected) {
  const auto one = torch::zeros({});
  for (const int64_t bits : {0, 1, 9}) {
    EXPECT_THROW(DuqQuantizer(bits, one, one), std::invalid_argument) << bits;
  }
  EXPECT_THROW(DuqQuantizer(4, one, torch::zeros({3})), std::invalid_argument);
  EXPECT_THROW(DuqQuantizer(4, torch::full({}, -1000.0), one), std::invalid_argument) << "a clip of 0";
  EXPECT_THROW(DuqQuantizer(4, one, torch::full({}, std::nan(""))), std::invalid_argument);
  auto stored = MasterWeight(torch::ones({2}), DuqQuantizer::for_weights(torch::ones({2}), 4, false)).store();
  stored.format.low = -8;
  EXPECT_THROW(DuqQuantizer::load(stored, torch::dtype(torch::kFloat32)), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
