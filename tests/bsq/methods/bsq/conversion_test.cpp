#include "bsq/methods/bsq/conversion.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

// The formula of the header, one weight at a time.
template <typename T>
void expect_formula(const Shape& shape, int64_t bits) {
  const torch::Tensor weight = torch::randn(shape, c10::CppTypeToScalarType<T>::value).mul_(0.3);
  const auto planes = to_bit_planes(weight, bits);
  ASSERT_NO_THROW(planes.check("planes"));
  ASSERT_EQ(planes.bits(), bits);
  const auto values = values_of<T>(weight);
  const auto positive = values_of<T>(planes.positive);
  const auto negative = values_of<T>(planes.negative);
  T scale = 0;
  for (const T w : values) {
    scale = std::max(scale, std::abs(w));
  }
  ASSERT_EQ(planes.scale.item<T>(), scale);
  for (size_t i = 0; i < values.size(); ++i) {
    const T product = std::abs(values[i]) * static_cast<T>(max_integer(bits));
    const auto integer = static_cast<int64_t>(std::nearbyint(product / scale));
    for (int64_t plane = 0; plane < bits; ++plane) {
      const T digit = (integer & digit_weight(bits, plane)) != 0 ? T(1) : T(0);
      const size_t at = static_cast<size_t>(plane) * values.size() + i;
      ASSERT_EQ(positive[at], values[i] > 0 ? digit : T(0));
      ASSERT_EQ(negative[at], values[i] > 0 ? T(0) : digit);
    }
  }
}

std::vector<float> integers_of(const std::vector<float>& weights, int64_t bits) {
  const auto planes = to_bit_planes(torch::tensor(weights), bits);
  return values_of<float>(plane_sum(planes.positive, planes.negative));
}

TEST(Conversion, MatchesTheFormulaWeightByWeight) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 3, 4, 5, 8, 11, 16}) {
      expect_formula<float>(shape, bits);
      expect_formula<double>(shape, bits);
    }
  }
}

TEST(Conversion, ErrsByHalfAStepAtMost) {
  torch::manual_seed(2);
  for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
    const auto weight = torch::randn({501}, torch::kFloat64);
    const auto planes = to_bit_planes(weight, bits);
    const double step = planes.scale.item<double>() / static_cast<double>(max_integer(bits));
    const auto back = plane_sum(planes.positive, planes.negative) * step;
    EXPECT_LE((back - weight).abs().max().item<double>(), step / 2 * (1 + 1e-9));
  }
}

TEST(Conversion, TakesTheProductFirst) {
  torch::manual_seed(3);
  const auto weight = torch::randn({20000});
  const auto magnitude = weight.abs();
  const auto scale = magnitude.max();
  const auto product_first = magnitude.mul(65535).div(scale).round();
  const auto ratio_first = magnitude.div(scale).mul(65535).round();
  ASSERT_FALSE(torch::equal(product_first, ratio_first)) << "the two orders must differ for this test";
  const auto planes = to_bit_planes(weight, /*bits=*/16);
  EXPECT_TRUE(torch::equal(plane_sum(planes.positive, planes.negative).abs(), product_first));
}

TEST(Conversion, RoundsHalfToEven) {
  const std::vector<float> expected = {3, 2, 2, 0, -2, -2, 0};
  EXPECT_EQ(integers_of({6, 5, 3, 1, -5, -3, -1}, /*bits=*/2), expected);
}

TEST(Conversion, RecordedNumbers) {
  const std::vector<float> eight_bits = {255, -128, 32, 0, -1};
  EXPECT_EQ(integers_of({0.5F, -0.25F, 0.0625F, 0.0001F, -0.002F}, /*bits=*/8), eight_bits);
  const std::vector<float> one_bit = {1, -1, 0, 0};
  EXPECT_EQ(integers_of({0.5F, -0.26F, 0.25F, -0.1F}, /*bits=*/1), one_bit);
}

TEST(Conversion, ZerosHaveScaleZeroAndNoDigit) {
  for (const auto& weight : {torch::zeros({4, 3}), torch::zeros({0})}) {
    const auto planes = to_bit_planes(weight, /*bits=*/4);
    EXPECT_EQ(planes.scale.item<float>(), 0.0F);
    EXPECT_EQ(planes.bits(), 4);
    EXPECT_EQ(planes.positive.sum().item<float>(), 0.0F);
    EXPECT_EQ(planes.negative.sum().item<float>(), 0.0F);
  }
}

TEST(Conversion, KeepsTheSmallestScale) {
  const auto tiny = std::numeric_limits<float>::min();
  const auto planes = to_bit_planes(torch::tensor({tiny, -tiny, 0.0F}), /*bits=*/8);
  const std::vector<float> expected = {255, -255, 0};
  EXPECT_EQ(planes.scale.item<float>(), tiny);
  EXPECT_EQ(values_of<float>(plane_sum(planes.positive, planes.negative)), expected);
}

TEST(Conversion, LeavesNoGradientAndTheWeightAsItWas) {
  const auto weight = torch::randn({5}).set_requires_grad(true);
  const auto before = weight.detach().clone();
  const auto planes = to_bit_planes(weight, /*bits=*/3);
  EXPECT_FALSE(planes.positive.requires_grad());
  EXPECT_FALSE(planes.scale.requires_grad());
  EXPECT_TRUE(torch::equal(weight, before));
}

TEST(Conversion, RefusesWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    EXPECT_THROW(to_bit_planes(torch::tensor({1.0F, bad}), /*bits=*/4), std::invalid_argument);
  }
}

TEST(Conversion, RefusesOtherWidthsAndTypes) {
  const auto weight = torch::ones({3});
  EXPECT_THROW(to_bit_planes(weight, /*bits=*/0), std::invalid_argument);
  EXPECT_THROW(to_bit_planes(weight, /*bits=*/17), std::invalid_argument);
  EXPECT_THROW(to_bit_planes(weight.to(torch::kInt64), /*bits=*/4), std::invalid_argument);
  EXPECT_THROW(to_bit_planes(weight.to(torch::kBFloat16), /*bits=*/4), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
