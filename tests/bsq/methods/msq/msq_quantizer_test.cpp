#include "bsq/methods/msq/msq_quantizer.h"

#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/io/checkpoint/packing.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// One weight at a time, in double.
double slow_value(double w, double largest, int64_t bits) {
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  return largest * std::nearbyint(w / largest * levels) / levels;
}

double slow_least_significant_part(double w, double largest, int64_t bits) {
  const double step = largest / (std::ldexp(1.0, static_cast<int>(bits)) - 1);
  return std::abs(w / step - 2 * std::nearbyint(w / (2 * step)));
}

TEST(MsqQuantizer, RoundsToTheGridOfTheLargestWeight) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto weight = torch::randn({4, 3, 3, 3}, torch::kFloat64);
    const auto value = MsqQuantizer(bits).forward(weight).flatten();
    const double largest = weight.abs().max().item<double>();
    for (int64_t i = 0; i < weight.numel(); ++i) {
      EXPECT_NEAR(value[i].item<double>(), slow_value(weight.flatten()[i].item<double>(), largest, bits),
                  1e-14);
    }
  }
}

TEST(MsqQuantizer, CodesStandForExactlyTheValues) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (int64_t bits = 1; bits <= 8; ++bits) {
      const auto weight = torch::randn({6, 5, 3, 3}, type);
      const MsqQuantizer quantizer(bits);
      const auto codes = quantizer.codes(weight);
      EXPECT_TRUE(torch::equal(value_of(codes), quantizer.forward(weight))) << bits;
      const auto packed = pack_codes(codes.integers, codes.format);
      EXPECT_TRUE(torch::equal(unpack_codes(packed, weight.sizes(), codes.format), codes.integers)) << bits;
    }
  }
}

TEST(MsqQuantizer, ZerosStayZero) {
  const auto weight = torch::zeros({2, 3});
  EXPECT_TRUE(MsqQuantizer(4).forward(weight).eq(0).all().item<bool>());
  EXPECT_EQ(least_significant_share(MsqQuantizer(4).codes(weight)), 0);
  EXPECT_EQ(least_significant_part(weight, 4).item<float>(), 0);
}

TEST(MsqQuantizer, TheGradientGoesStraightThrough) {
  torch::manual_seed(3);
  const auto weight = torch::randn({5, 7}, torch::kFloat64).set_requires_grad(true);
  const auto gradient = torch::randn({5, 7}, torch::kFloat64);
  MsqQuantizer(3).forward(weight).backward(gradient);
  EXPECT_TRUE(torch::allclose(weight.grad(), gradient, 1e-12, 1e-12));
}

TEST(MsqQuantizer, ThePenaltyIsTheMeanDistanceToEvenCodes) {
  torch::manual_seed(4);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    const auto weight = torch::randn({3, 17}, torch::kFloat64).set_requires_grad(true);
    const double largest = weight.detach().abs().max().item<double>();
    double expected = 0;
    for (int64_t i = 0; i < weight.numel(); ++i) {
      expected += slow_least_significant_part(weight.detach().flatten()[i].item<double>(), largest, bits);
    }
    const auto part = least_significant_part(weight, bits);
    EXPECT_NEAR(part.item<double>(), expected / static_cast<double>(weight.numel()), 1e-12);
    part.backward();
    const double step = largest / (std::ldexp(1.0, static_cast<int>(bits)) - 1);
    const auto even = weight.detach().div(2 * step).round().mul(2 * step);
    const auto sign = (weight.detach() - even).sign() / (step * static_cast<double>(weight.numel()));
    EXPECT_TRUE(torch::allclose(weight.grad(), sign, 1e-9, 1e-12)) << bits;
  }
}

TEST(MsqQuantizer, CountsOddCodes) {
  const auto weight = torch::tensor({3.0F, 2.0F, 1.0F, -3.0F, -2.0F, -1.0F, 0.0F, 0.0F});
  EXPECT_DOUBLE_EQ(least_significant_share(MsqQuantizer(2).codes(weight)), 0.5);
}

TEST(MsqQuantizer, RefusesOtherBits) {
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([] { MsqQuantizer(0); }), "msq"));
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([] { MsqQuantizer(17); }), "msq"));
}

}  // namespace
}  // namespace bsq::test
