#include "bsq/quant/codes.h"

#include <torch/utils.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

constexpr CodeFormat kSigns{/*bits=*/1, /*levels=*/1, /*low=*/-1, /*step=*/2, /*has_sign_bit=*/false};
constexpr CodeFormat kOdd{/*bits=*/2, /*levels=*/3, /*low=*/-3, /*step=*/2, /*has_sign_bit=*/false};
constexpr CodeFormat kUnsigned{/*bits=*/4, /*levels=*/15, /*low=*/0, /*step=*/1, /*has_sign_bit=*/false};

std::vector<CodeFormat> formats() {
  return {sign_magnitude(1),
          sign_magnitude(3),
          sign_magnitude(16),
          twos_complement(1),
          twos_complement(4),
          twos_complement(8),
          kSigns,
          kOdd,
          kUnsigned};
}

// Every point of the grid, in units of the scale.
std::vector<double> points_of(const CodeFormat& format) {
  std::vector<double> points;
  for (int64_t integer = format.low; integer <= format.high(); integer += format.step) {
    points.push_back(static_cast<double>(integer) / static_cast<double>(format.levels));
  }
  return points;
}

TEST(Codes, FormatsReachTheirEnds) {
  EXPECT_EQ(sign_magnitude(3).low, -7);
  EXPECT_EQ(sign_magnitude(3).high(), 7);
  EXPECT_EQ(sign_magnitude(3).levels, 7);
  EXPECT_EQ(sign_magnitude(0).high(), 0);
  EXPECT_EQ(sign_magnitude(0).levels, 1);
  EXPECT_EQ(twos_complement(3).low, -4);
  EXPECT_EQ(twos_complement(3).high(), 3);
  EXPECT_EQ(kSigns.high(), 1);
  EXPECT_EQ(kOdd.high(), 3);
  EXPECT_EQ(points_of(sign_magnitude(3)).size(), 15U);
  EXPECT_EQ(points_of(twos_complement(3)).size(), 8U);
}

TEST(Codes, FormatsAreToldApart) {
  const auto all = formats();
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all.size(); ++j) {
      EXPECT_EQ(all[i] == all[j], i == j);
      EXPECT_EQ(all[i] != all[j], i != j);
    }
  }
}

TEST(Codes, ChecksFormats) {
  for (const auto& format : formats()) {
    EXPECT_NO_THROW(check_format(format));
  }
  EXPECT_NO_THROW(check_format(sign_magnitude(0)));
  const auto refused = [](CodeFormat format, const std::string& words) {
    const auto message = message_of<std::invalid_argument>([&] { check_format(format); });
    EXPECT_TRUE(begins_with(message, "code format: ") && contains(message, words)) << message;
  };
  refused({-1, 1, 0, 1, false}, "-1 bits");
  refused({17, 1, 0, 1, false}, "17 bits");
  refused({3, 0, 0, 1, false}, "0 levels");
  refused({3, (1 << 20) + 1, 0, 1, false}, "1048577 levels");
  refused({3, 1, 0, 0, false}, "a step of 0");
  refused({3, 1, 0, 3, false}, "a step of 3");
  refused({3, 1, -(1 << 20) - 1, 1, false}, "from -1048577");
  refused({3, 1, (1 << 20) - 6, 1, false}, "within 1048576");
  refused({3, 7, std::numeric_limits<int64_t>::min(), 1, false}, "within 1048576");
  refused({3, 7, std::numeric_limits<int64_t>::max(), 2, false}, "within 1048576");
  refused({3, 7, -6, 1, true}, "sign and magnitude from -6");
}

TEST(Codes, ChecksBits) {
  EXPECT_NO_THROW(check_bits("x", kMinBits));
  EXPECT_NO_THROW(check_bits("x", kMaxBits));
  EXPECT_EQ(message_of<std::invalid_argument>([] { check_bits("x", 0); }), "x: 0 bits; expected 1 to 16");
  EXPECT_EQ(message_of<std::invalid_argument>([] { check_bits("x", 17); }), "x: 17 bits; expected 1 to 16");
}

TEST(Codes, ValuesByHand) {
  Codes codes;
  codes.integers = torch::tensor({{-7, 0}, {3, 7}}, torch::kInt32);
  codes.scale = torch::tensor(2.0F);
  codes.format = sign_magnitude(3);
  EXPECT_TRUE(torch::equal(value_of(codes), torch::tensor({{-7.0F, 0.0F}, {3.0F, 7.0F}}) / 7 * 2));
  codes.scale = torch::tensor({2.0F, 0.5F});
  EXPECT_TRUE(torch::equal(value_of(codes), torch::tensor({{-2.0F, 0.0F}, {3.0F / 7 * 0.5F, 0.5F}})));
  codes.zero_point = torch::tensor({-7, 3}, torch::kInt32);
  EXPECT_TRUE(torch::allclose(value_of(codes), torch::tensor({{0.0F, 2.0F}, {0.0F, 4.0F / 7 * 0.5F}})));
}

TEST(Codes, ValuesHaveTheScalesType) {
  Codes codes;
  codes.integers = torch::tensor({1, 2}, torch::kInt32);
  codes.format = twos_complement(3);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    codes.scale = torch::tensor(0.5, type);
    EXPECT_EQ(value_of(codes).scalar_type(), type);
  }
  EXPECT_TRUE(torch::equal(codes.integers, torch::tensor({1, 2}, torch::kInt32))) << "nothing is changed";
}

TEST(Codes, AllZeroMeansTheZeroPoint) {
  Codes codes;
  codes.integers = torch::zeros({2, 3}, torch::kInt32);
  codes.scale = torch::tensor(0.5F);
  codes.format = twos_complement(4);
  EXPECT_TRUE(is_all_zero(codes));
  codes.zero_point = torch::tensor({0, 2}, torch::kInt32);
  EXPECT_FALSE(is_all_zero(codes));
  codes.integers[1].fill_(2);
  EXPECT_TRUE(is_all_zero(codes));
  drop_bits_if_zero(codes);
  EXPECT_EQ(codes.format.bits, 0);
  EXPECT_EQ(codes.scale.item<float>(), 0.5F);
  EXPECT_NO_THROW(check_format(codes.format));
}

TEST(Codes, ANumberKeepsItsBits) {
  Codes codes;
  codes.integers = torch::tensor({0, 0, 1}, torch::kInt32);
  codes.scale = torch::tensor(0.5F);
  codes.format = sign_magnitude(4);
  drop_bits_if_zero(codes);
  EXPECT_EQ(codes.format, sign_magnitude(4));
}

// Against the nearest of all points, by a loop; of two as near, the even place counts from `low`.
TEST(Codes, RoundsToTheNearestPoint) {
  torch::manual_seed(1);
  for (const auto& format : formats()) {
    if (format.bits > 8) {
      continue;
    }
    const auto points = points_of(format);
    const auto q = torch::randn({300}, torch::kFloat64)
                       .mul_(std::max(std::abs(points.front()), std::abs(points.back())) * 0.8);
    const auto rounded = values_of<double>(round_to_grid(q, format));
    const auto values = values_of<double>(q);
    for (size_t i = 0; i < values.size(); ++i) {
      double best = points[0];
      for (const double point : points) {
        best = std::abs(point - values[i]) < std::abs(best - values[i]) ? point : best;
      }
      EXPECT_NEAR(rounded[i], best, 1e-12) << values[i];
    }
  }
}

TEST(Codes, RoundsHalfToEven) {
  EXPECT_TRUE(torch::equal(round_to_grid(torch::tensor({0.5F, 1.5F, -0.5F, -1.5F, 2.5F}), twos_complement(4)),
                           torch::tensor({0.0F, 2.0F, 0.0F, -2.0F, 2.0F})));
  EXPECT_TRUE(
      torch::equal(round_to_grid(torch::tensor({-0.2F, 0.2F}), kSigns), torch::tensor({-1.0F, 1.0F})));
}

TEST(Codes, GridPointsStayExactly) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& format : formats()) {
      const auto points = torch::tensor(points_of(format), torch::kFloat64);
      const auto q = points.mul(static_cast<double>(format.levels))
                         .round()
                         .to(type)
                         .div(static_cast<double>(format.levels));
      EXPECT_TRUE(torch::equal(round_to_grid(q, format), q)) << format.bits << " bits";
    }
  }
}

TEST(Codes, NanStaysNan) {
  for (const auto& format : formats()) {
    EXPECT_TRUE(round_to_grid(torch::tensor({std::nanf("")}), format).isnan().all().item<bool>());
  }
}

TEST(Codes, TheGradientPassesThroughClampAndRounding) {
  for (const auto& format : formats()) {
    const auto q = torch::tensor({-100.0F, -0.3F, 0.4F, 100.0F}).set_requires_grad(true);
    const auto upstream = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F});
    const auto rounded = round_to_grid_ste(q, format);
    EXPECT_TRUE(torch::equal(rounded.detach(), round_to_grid(q.detach(), format)));
    rounded.backward(upstream);
    EXPECT_TRUE(torch::equal(q.grad(), upstream));
  }
}

TEST(Codes, OneNumberAChannelIsShapedLikeTheFirstAxis) {
  const auto values = torch::zeros({3, 2, 1, 1});
  EXPECT_EQ(along_channels(torch::ones({3}), values).sizes(), at::IntArrayRef({3, 1, 1, 1}));
  EXPECT_EQ(along_channels(torch::ones({}), values).dim(), 0);
}

TEST(Codes, APositiveScaleChangesNoValue) {
  Codes codes;
  codes.integers = torch::tensor({3, -1, 0}, torch::kInt32);
  codes.scale = torch::full({}, -0.7F);
  codes.format = sign_magnitude(2);
  const auto before = value_of(codes);
  make_scale_positive(codes);
  EXPECT_GT(codes.scale.item<float>(), 0);
  EXPECT_TRUE(torch::equal(value_of(codes), before));
  codes.format = twos_complement(3);
  codes.scale = torch::full({}, -0.7F);
  make_scale_positive(codes);
  EXPECT_LT(codes.scale.item<float>(), 0) << "this grid has one integer more below 0";
}

}  // namespace
}  // namespace bsq::test
