#include "bsq/methods/bsq/precision_adjustment.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

torch::Tensor integers_of(const BitPlanes& planes) { return plane_sum(planes.positive, planes.negative); }

BitPlanes planes_from(const std::vector<float>& integers, int64_t bits) {
  return planes_of(torch::tensor(integers), bits, torch::tensor(0.7F));
}

// ((s 2^k) (2^n' - 1)) / (2^n - 1), each operation rounded in T.
template <typename T>
T scale_after(T scale, int64_t bits, int64_t left, int64_t dropped_low) {
  const T shifted = scale * std::ldexp(T(1), static_cast<int>(dropped_low));
  const T product = shifted * static_cast<T>(max_integer(left));
  return product / static_cast<T>(max_integer(bits));
}

using Digits = std::vector<std::vector<int>>;

double percent_of(const std::vector<int>& plane) {
  int64_t count = 0;
  for (const int digit : plane) {
    count += digit != 0 ? 1 : 0;
  }
  return 100.0 * static_cast<double>(count) / static_cast<double>(plane.size());
}

// Precision adjustment digit by digit. Gives the number of least significant planes dropped.
int64_t slow_adjust(Digits& digits, double threshold) {
  while (digits.size() > 1 && (percent_of(digits.front()) == 0 || percent_of(digits.front()) < threshold)) {
    const auto top = digits.front();
    digits.erase(digits.begin());
    for (auto& plane : digits) {
      for (size_t i = 0; i < plane.size(); ++i) {
        plane[i] = top[i] != 0 ? top[i] : plane[i];
      }
    }
  }
  int64_t dropped = 0;
  while (digits.size() > 1 && percent_of(digits.back()) <= threshold) {
    digits.pop_back();
    ++dropped;
  }
  return dropped;
}

Digits digits_of(const torch::Tensor& integers, int64_t bits) {
  Digits digits;
  for (int64_t plane = 0; plane < bits; ++plane) {
    digits.emplace_back();
    for (const int64_t r : values_of<int64_t>(integers)) {
      const int digit = (std::abs(r) & digit_weight(bits, plane)) != 0 ? 1 : 0;
      digits.back().push_back(r < 0 ? -digit : digit);
    }
  }
  return digits;
}

template <typename T>
void expect_as_slow(const torch::Tensor& integers, int64_t bits, double threshold) {
  const torch::Tensor scale = torch::rand({}, c10::CppTypeToScalarType<T>::value).add_(0.1);
  const auto planes = planes_of(integers, bits, scale);
  const auto before = planes.positive.clone();
  const auto result = adjust_precision(planes, threshold);
  auto digits = digits_of(integers, bits);
  const int64_t dropped_low = slow_adjust(digits, threshold);
  ASSERT_NO_THROW(result.check("planes"));
  ASSERT_TRUE(is_sign_magnitude(result)) << "no digit of 2, no weight of both signs";
  ASSERT_EQ(result.bits(), static_cast<int64_t>(digits.size()));
  const auto count = static_cast<size_t>(planes.weights());
  const auto p = values_of<T>(result.positive);
  const auto n = values_of<T>(result.negative);
  for (size_t at = 0; at < p.size(); ++at) {
    ASSERT_EQ(p[at] - n[at], static_cast<T>(digits[at / count][at % count]));
  }
  EXPECT_EQ(result.scale.item<T>(), scale_after(scale.item<T>(), bits, result.bits(), dropped_low));
  EXPECT_TRUE(torch::equal(planes.positive, before)) << "the argument is left alone";
}

// Integers whose high planes are sparse, as those of trained weights.
torch::Tensor bell_integers(const Shape& shape, int64_t bits) {
  const auto levels = static_cast<double>(max_integer(bits));
  return torch::randn(shape).mul(levels / 4).round().clamp(-levels, levels);
}

TEST(PrecisionAdjustment, KeepsEveryWeight) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& shape : weight_shapes()) {
      for (int64_t bits = 1; bits <= 10; ++bits) {
        const int64_t used = torch::randint(1, bits + 1, {1}).item<int64_t>();
        const int64_t shift = torch::randint(0, bits - used + 1, {1}).item<int64_t>();
        const auto integers = random_integers(shape, used, type) * std::ldexp(1.0, static_cast<int>(shift));
        const auto planes = planes_of(integers, bits, torch::rand({}, type).add_(0.1));
        const auto result = adjust_precision(planes, /*threshold_percent=*/0);
        const double tolerance = type == torch::kFloat32 ? 4e-7 : 1e-15;
        EXPECT_TRUE(torch::allclose(values(result), values(planes), tolerance, /*atol=*/0));
      }
    }
  }
}

TEST(PrecisionAdjustment, StripsExactlyTheEmptyPlanesAtBothEnds) {
  torch::manual_seed(2);
  for (int64_t bits = 1; bits <= 16; ++bits) {
    for (int64_t high = 0; high < bits; ++high) {
      for (int64_t low = 0; high + low < bits; ++low) {
        const int64_t used = bits - high - low;
        auto integers = random_integers({31}, used, torch::kFloat32);
        integers[0] = static_cast<double>(max_integer(used));
        const auto planes =
            planes_of(integers * std::ldexp(1.0, static_cast<int>(low)), bits, torch::tensor(0.3F));
        const auto result = adjust_precision(planes, /*threshold_percent=*/0);
        ASSERT_EQ(result.bits(), used);
        EXPECT_TRUE(torch::equal(integers_of(result), integers));
        EXPECT_EQ(result.scale.item<float>(), scale_after(0.3F, bits, used, low));
      }
    }
  }
}

TEST(PrecisionAdjustment, KeepsEmptyPlanesInTheMiddle) {
  const auto result = adjust_precision(planes_from({9, -8, 1}, /*bits=*/4), /*threshold_percent=*/0);
  EXPECT_EQ(result.bits(), 4);
}

TEST(PrecisionAdjustment, AllZeroKeepsOnePlane) {
  for (const double threshold : {0.0, 10.0, 99.0}) {
    const auto planes = planes_from({0, 0, 0}, /*bits=*/5);
    EXPECT_TRUE(is_all_zero(planes));
    const auto result = adjust_precision(planes, threshold);
    EXPECT_EQ(result.bits(), 1);
    EXPECT_TRUE(is_all_zero(result));
    EXPECT_TRUE(torch::equal(integers_of(result), torch::zeros({3})));
  }
}

TEST(PrecisionAdjustment, MatchesTheSlowOneAtEveryThreshold) {
  torch::manual_seed(3);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 5, 8}) {
      for (const double threshold : {0.0, 0.1, 1.0, 5.0, 20.0, 45.0, 60.0, 99.5}) {
        expect_as_slow<float>(bell_integers(shape, bits), bits, threshold);
        expect_as_slow<double>(bell_integers(shape, bits), bits, threshold);
      }
    }
  }
}

TEST(PrecisionAdjustment, DroppedMostSignificantPlaneSaturatesInItsOwnSet) {
  // One weight in ten has the digit of 4, and the lower planes are full enough to stay.
  const auto planes = planes_from({4, 3, 3, 3, 3, -3, -3, -3, -3, -3}, /*bits=*/3);
  const auto result = adjust_precision(planes, /*threshold_percent=*/11);
  EXPECT_EQ(result.bits(), 2);
  EXPECT_TRUE(
      torch::equal(integers_of(result), torch::tensor({3, 3, 3, 3, 3, -3, -3, -3, -3, -3}, torch::kFloat32)));
  const auto minus = planes_from({-4, 3, 3, 3, 3, -3, -3, -3, -3, -3}, /*bits=*/3);
  const auto saturated = adjust_precision(minus, /*threshold_percent=*/11);
  EXPECT_EQ(saturated.positive.select(/*dim=*/1, 0).sum().item<float>(), 0.0F);
  EXPECT_EQ(saturated.negative.select(/*dim=*/1, 0).sum().item<float>(), 2.0F);
  EXPECT_EQ(result.scale.item<float>(), scale_after(0.7F, 3, 2, 0));
}

TEST(PrecisionAdjustment, MostSignificantPlaneAtTheThresholdStays) {
  const auto planes = planes_from({4, 3, 3, 3, 3, -3, -3, -3, -3, -3}, /*bits=*/3);
  EXPECT_EQ(adjust_precision(planes, /*threshold_percent=*/10).bits(), 3);
  EXPECT_EQ(adjust_precision(planes, /*threshold_percent=*/10.001).bits(), 2);
}

TEST(PrecisionAdjustment, LeastSignificantPlaneAtTheThresholdGoes) {
  const auto planes = planes_from({7, 6, 6, 6, 6, -6, -6, -6, -6, -6}, /*bits=*/3);
  EXPECT_EQ(adjust_precision(planes, /*threshold_percent=*/9.999).bits(), 3);
  const auto result = adjust_precision(planes, /*threshold_percent=*/10);
  EXPECT_EQ(result.bits(), 2);
  EXPECT_TRUE(
      torch::equal(integers_of(result), torch::tensor({3, 3, 3, 3, 3, -3, -3, -3, -3, -3}, torch::kFloat32)));
  EXPECT_EQ(result.scale.item<float>(), scale_after(0.7F, 3, 2, 1));
}

TEST(PrecisionAdjustment, WeightsOfTwoDroppedPlanesAllSaturateAtOne) {
  std::vector<float> integers(100, 3);
  integers[0] = 8;
  integers[1] = -4;
  const auto result = adjust_precision(planes_from(integers, /*bits=*/4), /*threshold_percent=*/3);
  integers[0] = 3;
  integers[1] = -3;
  EXPECT_EQ(result.bits(), 2);
  EXPECT_TRUE(torch::equal(integers_of(result), torch::tensor(integers)));
  EXPECT_EQ(result.positive.max().item<float>(), 1.0F);
  EXPECT_EQ(result.negative.max().item<float>(), 1.0F);
}

TEST(PrecisionAdjustment, SaturatedWeightsCountInTheNextPlanes) {
  // The plane of 2 holds one weight in four, and two once the weight of the plane of 4 has saturated.
  const auto result = adjust_precision(planes_from({4, -2, 1, 1}, /*bits=*/3), /*threshold_percent=*/26);
  EXPECT_EQ(result.bits(), 2);
  EXPECT_TRUE(torch::equal(integers_of(result), torch::tensor({3.0F, -2.0F, 1.0F, 1.0F})));
}

TEST(PrecisionAdjustment, NeverBelowOnePlane) {
  std::vector<float> integers(1000, 0);
  integers[0] = 1;
  integers[1] = -128;
  const auto result = adjust_precision(planes_from(integers, /*bits=*/8), /*threshold_percent=*/99.9);
  EXPECT_EQ(result.bits(), 1);
  EXPECT_EQ(integers_of(result)[1].item<float>(), -1.0F);
}

TEST(PrecisionAdjustment, RefusesOtherThresholds) {
  const auto planes = planes_from({1, 2}, /*bits=*/2);
  for (const double bad : {-0.001, 100.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(adjust_precision(planes, bad), std::invalid_argument) << bad;
  }
  EXPECT_NO_THROW(adjust_precision(planes, 99.999));
}

TEST(PrecisionAdjustment, PercentOfOnesCountsDigitsOfEitherSign) {
  const auto percent = percent_of_ones(planes_from({5, -4, 0, 1}, /*bits=*/3));
  const std::vector<double> expected = {50, 0, 50};
  EXPECT_EQ(percent.scalar_type(), torch::kFloat64);
  EXPECT_EQ(values_of<double>(percent), expected);
}

TEST(PrecisionAdjustment, ADigitInBothSetsIsNone) {
  const auto both = torch::ones({2, 3});
  EXPECT_TRUE(is_all_zero(BitPlanes{both, both, torch::tensor(1.0F)}));
  EXPECT_EQ(percent_of_ones({both, both, torch::tensor(1.0F)}).sum().item<double>(), 0.0);
  EXPECT_FALSE(is_all_zero(planes_from({0, 1}, /*bits=*/2)));
}

}  // namespace
}  // namespace bsq::test
