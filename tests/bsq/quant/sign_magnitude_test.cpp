#include "bsq/quant/sign_magnitude.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

const torch::ScalarType kTypes[] = {torch::kFloat32, torch::kFloat64};

Codes codes_of_integers(const torch::Tensor& integers, int64_t bits, torch::ScalarType type) {
  Codes codes;
  codes.integers = integers.to(torch::kInt32);
  codes.scale = torch::rand({}, type).add_(0.1);
  codes.format = sign_magnitude(bits);
  return codes;
}

// s = max|w|, R = round(|w| (2^n-1) / s), element by element.
template <typename T>
void expect_as_slow(const Shape& shape, int64_t bits) {
  const auto weight = torch::randn(shape, c10::CppTypeToScalarType<T>::value);
  const auto codes = to_codes(weight, bits);
  const auto values = values_of<T>(weight);
  T largest = 0;
  for (const T value : values) {
    largest = std::max(largest, std::abs(value));
  }
  EXPECT_EQ(codes.scale.template item<T>(), largest);
  EXPECT_EQ(codes.format, sign_magnitude(bits));
  const auto integers = values_of<int64_t>(codes.integers);
  for (size_t i = 0; i < values.size(); ++i) {
    const T product = std::abs(values[i]) * static_cast<T>(max_integer(bits));
    const auto magnitude = static_cast<int64_t>(std::nearbyint(product / largest));
    ASSERT_EQ(integers[i], values[i] > 0 ? magnitude : -magnitude) << values[i];
  }
}

TEST(SignMagnitude, ConvertsAsTheFormulaSays) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 5, 8, 16}) {
      expect_as_slow<float>(shape, bits);
      expect_as_slow<double>(shape, bits);
    }
  }
}

TEST(SignMagnitude, ConversionHasTheDigitsOfThePlanes) {
  torch::manual_seed(2);
  for (const auto type : kTypes) {
    const auto weight = torch::randn({33, 5}, type);
    for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
      const auto codes = to_codes(weight, bits);
      const auto planes = to_bit_planes(weight, bits);
      EXPECT_TRUE(
          torch::equal(plane_sum(planes.positive, planes.negative).to(torch::kInt32), codes.integers));
      EXPECT_TRUE(torch::equal(planes.scale, codes.scale));
    }
  }
}

TEST(SignMagnitude, ZerosAndNothingHaveScaleZero) {
  for (const auto& weight : {torch::zeros({3, 2}), torch::empty({0, 2})}) {
    const auto codes = to_codes(weight, /*bits=*/4);
    EXPECT_EQ(codes.scale.item<float>(), 0.0F);
    EXPECT_EQ(codes.integers.sizes(), weight.sizes());
    EXPECT_TRUE(is_all_zero(codes));
  }
}

TEST(SignMagnitude, RefusesWhatItCannotConvert) {
  EXPECT_THROW(to_codes(torch::ones({3}), 0), std::invalid_argument);
  EXPECT_THROW(to_codes(torch::ones({3}), 17), std::invalid_argument);
  EXPECT_THROW(to_codes(torch::ones({3}, torch::kInt32), 4), std::invalid_argument);
  EXPECT_THROW(to_codes(torch::ones({3}, torch::kBFloat16), 4), std::invalid_argument);
  EXPECT_THROW(to_codes(torch::tensor({1.0F, std::numeric_limits<float>::infinity()}), 4),
               std::invalid_argument);
  EXPECT_THROW(to_codes(torch::tensor({1.0F, std::nanf("")}), 4), std::invalid_argument);
}

void expect_as_adjusted(const torch::Tensor& integers, int64_t bits, torch::ScalarType type) {
  const auto codes = codes_of_integers(integers, bits, type);
  const auto result = without_empty_digits(codes);
  const auto planes = adjust_precision(planes_of(integers, bits, codes.scale), /*threshold_percent=*/0);
  ASSERT_EQ(result.format, sign_magnitude(planes.bits()));
  ASSERT_TRUE(torch::equal(plane_sum(planes.positive, planes.negative).to(torch::kInt32), result.integers));
  ASSERT_TRUE(torch::equal(planes.scale, result.scale));
}

// Precision adjustment of planes at threshold 0, told in codes.
TEST(SignMagnitude, WithoutEmptyDigitsIsPrecisionAdjustment) {
  torch::manual_seed(3);
  for (const auto type : kTypes) {
    for (const auto& shape : weight_shapes()) {
      for (const int64_t bits : {1, 2, 4, 7, 16}) {
        for (int64_t low = 0; low < bits; low += 2) {
          for (int64_t used = 1; used + low <= bits; used += 4) {
            const auto integers = random_integers(shape, used, type).mul(static_cast<double>(1 << low));
            expect_as_adjusted(integers, bits, type);
          }
        }
      }
    }
  }
}

TEST(SignMagnitude, WithoutEmptyDigitsKeepsOne) {
  const auto codes = codes_of_integers(torch::zeros({4}), /*bits=*/6, torch::kFloat32);
  EXPECT_EQ(without_empty_digits(codes).format, sign_magnitude(1));
}

TEST(SignMagnitude, WithoutEmptyDigitsChangesNoValueByMoreThanTheScalesRounding) {
  torch::manual_seed(4);
  const auto codes = codes_of_integers(random_integers({50}, 3, torch::kFloat64).mul(4), 8, torch::kFloat64);
  const auto result = without_empty_digits(codes);
  EXPECT_EQ(result.format.bits, 3);
  EXPECT_TRUE(torch::allclose(value_of(result), value_of(codes), 1e-14, 0));
}

TEST(SignMagnitude, OtherFormatsKeepTheirDigits) {
  auto codes = codes_of_integers(torch::tensor({0, 2}), /*bits=*/4, torch::kFloat32);
  codes.format = twos_complement(4);
  EXPECT_EQ(without_empty_digits(codes).format, twos_complement(4));
  codes.format = sign_magnitude(0);
  codes.integers.zero_();
  EXPECT_EQ(without_empty_digits(codes).format, sign_magnitude(0));
}

TEST(SignMagnitude, PercentOfOnesIsThatOfThePlanes) {
  torch::manual_seed(5);
  for (const int64_t bits : {1, 3, 8, 16}) {
    const auto integers = random_integers({7, 11}, bits, torch::kFloat32);
    const auto codes = codes_of_integers(integers, bits, torch::kFloat32);
    const auto planes = planes_of(integers, bits, codes.scale);
    EXPECT_TRUE(torch::allclose(percent_of_ones(codes), percent_of_ones(planes)));
  }
}

TEST(SignMagnitude, PercentOfOnesOfOtherFormatsIsThatOfThePlaces) {
  auto codes = codes_of_integers(torch::tensor({-4, -3, 3, 0}), /*bits=*/3, torch::kFloat32);
  codes.format = twos_complement(3);  // places 0, 1, 7, 4
  EXPECT_TRUE(torch::equal(percent_of_ones(codes), torch::tensor({50.0, 25.0, 50.0}, torch::kFloat64)));
  codes.integers = torch::tensor({-3, -1, 3, 3}, torch::kInt32);
  codes.format = {/*bits=*/2, /*levels=*/3, /*low=*/-3, /*step=*/2, /*has_sign_bit=*/false};  // 0, 1, 3, 3
  EXPECT_TRUE(torch::equal(percent_of_ones(codes), torch::tensor({50.0, 75.0}, torch::kFloat64)));
}

}  // namespace
}  // namespace bsq::test
