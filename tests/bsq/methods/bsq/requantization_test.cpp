#include "bsq/methods/bsq/requantization.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

// round(q (2^n - 1)) of every weight, in the planes' own type.
template <typename T>
std::vector<T> slow_integers(const BitPlanes& planes) {
  const auto p = values_of<T>(planes.positive);
  const auto n = values_of<T>(planes.negative);
  const auto weights = static_cast<size_t>(planes.weights());
  const T levels = static_cast<T>(max_integer(planes.bits()));
  std::vector<T> integers;
  for (size_t i = 0; i < weights; ++i) {
    T sum = 0;
    for (int64_t plane = 0; plane < planes.bits(); ++plane) {
      const size_t at = static_cast<size_t>(plane) * weights + i;
      sum += (p[at] - n[at]) * static_cast<T>(digit_weight(planes.bits(), plane));
    }
    integers.push_back(std::nearbyint(sum / levels * levels));
  }
  return integers;
}

template <typename T>
void expect_requantized(const BitPlanes& planes, int64_t max_bits) {
  auto expected = slow_integers<T>(planes);
  const T levels = static_cast<T>(max_integer(planes.bits()));
  const bool exceeds =
      std::any_of(expected.begin(), expected.end(), [&](T r) { return std::abs(r) > levels; });
  const auto result = requantize(planes, max_bits);
  ASSERT_NO_THROW(result.check("planes"));
  ASSERT_TRUE(is_sign_magnitude(result));
  const T scale = planes.scale.item<T>();
  if (exceeds && planes.bits() < max_bits) {
    const T wider = static_cast<T>(max_integer(planes.bits() + 1));
    EXPECT_EQ(result.bits(), planes.bits() + 1);
    EXPECT_EQ(result.scale.item<T>(), scale * wider / levels);
  } else {
    EXPECT_EQ(result.bits(), planes.bits());
    EXPECT_EQ(result.scale.item<T>(), scale);
    for (T& r : expected) {
      r = std::min(std::max(r, -levels), levels);
    }
  }
  EXPECT_EQ(values_of<T>(plane_sum(result.positive, result.negative)), expected);
  const auto again = requantize(result, max_bits);
  EXPECT_TRUE(torch::equal(again.positive, result.positive));
  EXPECT_TRUE(torch::equal(again.negative, result.negative));
  EXPECT_TRUE(torch::equal(again.scale, result.scale));
}

TEST(Requantization, MatchesALoopAndIsIdempotent) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 4, 7, 8}) {
      expect_requantized<float>(real_planes(shape, bits, torch::kFloat32), /*max_bits=*/8);
      expect_requantized<double>(real_planes(shape, bits, torch::kFloat64), /*max_bits=*/8);
    }
  }
}

TEST(Requantization, KeepsBinaryPlanes) {
  torch::manual_seed(2);
  for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
    const auto planes = binary_planes({211}, bits, torch::kFloat32);
    const auto result = requantize(planes, /*max_bits=*/16);
    EXPECT_TRUE(torch::equal(result.positive, planes.positive));
    EXPECT_TRUE(torch::equal(result.negative, planes.negative));
    EXPECT_TRUE(torch::equal(result.scale, planes.scale));
  }
}

TEST(Requantization, GrowthKeepsEveryValueButItsRounding) {
  torch::manual_seed(3);
  for (const int64_t bits : {1, 3, 7}) {
    const auto planes = real_planes({301}, bits, torch::kFloat64);
    const auto result = requantize(planes, /*max_bits=*/8);
    ASSERT_EQ(result.bits(), bits + 1);
    const double step = planes.scale.item<double>() / static_cast<double>(max_integer(bits));
    EXPECT_LE((values(result) - values(planes)).abs().max().item<double>(), step / 2 * (1 + 1e-9));
  }
}

TEST(Requantization, GrowsJustAboveTheLargestInteger) {
  const auto with = [](float last_digit) {
    return BitPlanes{torch::tensor({{1.0F, 0.0F}, {last_digit, 0.0F}}), torch::zeros({2, 2}),
                     torch::tensor(0.75F)};
  };
  EXPECT_EQ(requantize(with(1.0F), /*max_bits=*/8).bits(), 2);
  EXPECT_EQ(requantize(with(1.4F), /*max_bits=*/8).bits(), 2) << "3.4 rounds to 3";
  const auto grown = requantize(with(1.6F), /*max_bits=*/8);
  EXPECT_EQ(grown.bits(), 3);
  EXPECT_EQ(grown.scale.item<float>(), 1.75F);
  EXPECT_EQ(plane_sum(grown.positive, grown.negative)[0].item<float>(), 4.0F);
}

TEST(Requantization, ClipsAtTheWidestWidth) {
  const BitPlanes planes{torch::tensor({{2.0F, 0.0F}, {2.0F, 0.0F}}),
                         torch::tensor({{0.0F, 2.0F}, {0.0F, 1.0F}}), torch::tensor(0.5F)};
  for (const int64_t max_bits : {2, 1}) {
    const auto clipped = requantize(planes, max_bits);
    EXPECT_EQ(clipped.bits(), 2);
    EXPECT_EQ(clipped.scale.item<float>(), 0.5F);
    EXPECT_TRUE(torch::equal(plane_sum(clipped.positive, clipped.negative), torch::tensor({3.0F, -3.0F})));
  }
  EXPECT_EQ(requantize(planes, /*max_bits=*/3).bits(), 3);
}

TEST(Requantization, CancelsDigitsOfBothSigns) {
  const auto both = torch::full({3, 2}, 0.7F);
  const auto result = requantize({both, both, torch::tensor(1.0F)}, /*max_bits=*/8);
  EXPECT_EQ(result.positive.sum().item<float>(), 0.0F);
  EXPECT_EQ(result.negative.sum().item<float>(), 0.0F);
  EXPECT_EQ(result.bits(), 3);
}

}  // namespace
}  // namespace bsq::test
