#include "bsq/quant/activation_ste.h"

#include <torch/utils.h>

#include <limits>

#include "bsq/kernels/activation_kernels.h"
#include "tests/bsq/quant/slow_quantization.h"

namespace bsq::test {
namespace {

template <typename T>
void expect_quantized(const torch::Tensor& x, int64_t bits, T range) {
  const auto limit = torch::tensor(range, x.scalar_type());
  EXPECT_EQ(values_of<T>(quantize_unsigned(x, bits, limit)), slow_quantize<T>(x, bits, range))
      << bits << " bits";
}

TEST(ActivationSte, QuantizationMatchesALoop) {
  torch::manual_seed(1);
  for (const Shape& shape : {Shape{1}, Shape{3, 1, 5, 7}, Shape{2, 16, 9, 9}, Shape{20001}}) {
    for (const int64_t bits : {1, 2, 3, 4, 8, 16, 32}) {
      const auto x = torch::rand(shape, torch::kFloat64).mul_(6);
      expect_quantized<double>(x, bits, x.max().item<double>());
      expect_quantized<double>(x, bits, /*range=*/2.7);
      expect_quantized<float>(x.to(torch::kFloat32), bits, /*range=*/5.9F);
    }
  }
}

TEST(ActivationSte, QuantizationErrsByHalfAStepAtMost) {
  torch::manual_seed(2);
  const auto x = torch::rand({5001}, torch::kFloat64).mul_(4);
  const auto range = x.max();
  for (const int64_t bits : {1, 3, 8, 32}) {
    const double step = range.item<double>() / (std::ldexp(1.0, static_cast<int>(bits)) - 1);
    const auto error = (quantize_unsigned(x, bits, range) - x).abs().max().item<double>();
    EXPECT_LE(error, step / 2 * (1 + 1e-5)) << bits << " bits";
  }
}

TEST(ActivationSte, QuantizationSaturatesAboveTheRange) {
  const auto x = torch::tensor({0.0F, 1.0F, 2.0F, 2.1F, 100.0F});
  const auto y = quantize_unsigned(x, /*bits=*/4, torch::tensor(2.0F));
  EXPECT_TRUE(torch::equal(y.slice(0, 2), torch::tensor({2.0F, 2.0F, 2.0F})));
  EXPECT_EQ(y[0].item<float>(), 0.0F);
}

TEST(ActivationSte, QuantizationRoundsHalfToEven) {
  const auto x = torch::tensor({0.5F, 1.5F, 2.5F, 3.0F});
  const auto y = quantize_unsigned(x, /*bits=*/2, torch::tensor(3.0F));
  EXPECT_TRUE(torch::equal(y, torch::tensor({0.0F, 2.0F, 2.0F, 3.0F})));
}

TEST(ActivationSte, ARangeThatVanishesGivesZero) {
  const auto smallest = static_cast<double>(std::numeric_limits<float>::denorm_min());
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    for (const double range : {0.0, smallest, 1e-38, 0.9 * kSmallestRange}) {
      const auto small = torch::full({}, range, type);
      EXPECT_TRUE(torch::equal(quantize_unsigned(torch::full({3}, range, type), /*bits=*/4, small),
                               torch::zeros({3}, type)))
          << range;
    }
    const auto zero = torch::zeros({}, type);
    EXPECT_TRUE(
        torch::equal(quantize_unsigned(torch::zeros({3}, type), /*bits=*/4, zero), torch::zeros({3}, type)));
    EXPECT_TRUE(
        torch::equal(quantize_unsigned(torch::ones({3}, type), /*bits=*/4, zero), torch::zeros({3}, type)));
  }
}

// Zeros instead would hide a network that has diverged.
TEST(ActivationSte, NanStaysNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    const auto x = torch::tensor({0.5F, nan, 1.0F}, torch::kFloat32).to(type);
    EXPECT_TRUE(quantize_unsigned(x, /*bits=*/4, x.max()).isnan().all().item<bool>()) << "an unknown range";
    const auto known = quantize_unsigned(x, /*bits=*/4, torch::ones({}, type));
    EXPECT_EQ(values_of<float>(known.isnan()), (std::vector<float>{0, 1, 0}));
  }
}

TEST(ActivationSte, QuantizationTakesAnyLayout) {
  torch::manual_seed(3);
  const auto range = torch::tensor(5.0F);
  const auto x = torch::rand({4, 3, 6, 6}).mul_(6);
  const auto expected = quantize_unsigned(x, /*bits=*/4, range);
  EXPECT_TRUE(
      torch::equal(quantize_unsigned(x.contiguous(torch::MemoryFormat::ChannelsLast), 4, range), expected));
  EXPECT_TRUE(torch::equal(quantize_unsigned(x.transpose(1, 3), 4, range), expected.transpose(1, 3)));
  EXPECT_TRUE(torch::equal(quantize_unsigned(x.slice(3, 0, 6, 2), 4, range), expected.slice(3, 0, 6, 2)));
  EXPECT_TRUE(
      torch::equal(quantize_unsigned(x[0].expand({5, 3, 6, 6}), 4, range), expected[0].expand({5, 3, 6, 6})));
}

TEST(ActivationSte, QuantizationKeepsTheTypeOfHalfPrecision) {
  torch::manual_seed(4);
  const auto x = torch::rand({100}).to(torch::kBFloat16);
  const auto y = quantize_unsigned(x, /*bits=*/4, x.max());
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_LE((y - x).abs().max().item<double>(), 0.5 / 15 + 0.01);
}

TEST(ActivationSte, QuantizationGradientPassesThrough) {
  torch::manual_seed(5);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const auto x = torch::rand({3, 4}, type).mul_(3).set_requires_grad(true);
    const auto range = torch::tensor(2.0, type).set_requires_grad(true);
    const auto upstream = torch::randn({3, 4}, type);
    const auto y = quantize_unsigned_ste(x, /*bits=*/3, range);
    EXPECT_TRUE(torch::equal(y.detach(), quantize_unsigned(x.detach(), /*bits=*/3, range.detach())));
    y.backward(upstream);
    EXPECT_TRUE(torch::equal(x.grad(), upstream)) << "above the range as well";
    EXPECT_FALSE(range.grad().defined()) << "the range is a constant";
  }
}

TEST(ActivationSte, PactFollowsItsFormulasAtEveryEdge) {
  const auto x = torch::tensor({-1.0, 0.0, 0.7, 2.0, 3.0}, torch::kFloat64).set_requires_grad(true);
  const auto alpha = torch::tensor(2.0, torch::kFloat64).set_requires_grad(true);
  const auto y = pact_ste(x, alpha);
  EXPECT_TRUE(torch::equal(y.detach(), torch::tensor({0.0, 0.0, 0.7, 2.0, 2.0}, torch::kFloat64)));
  y.backward(torch::tensor({1.0, 2.0, 4.0, 8.0, 16.0}, torch::kFloat64));
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0, 2.0, 4.0, 8.0, 0.0}, torch::kFloat64)));
  EXPECT_EQ(alpha.grad().item<double>(), 8.0 + 16.0);
}

TEST(ActivationSte, PactMatchesALoop) {
  torch::manual_seed(6);
  const auto x = torch::randn({7, 3, 5}).mul_(3).set_requires_grad(true);
  const auto alpha = torch::tensor(1.5F).set_requires_grad(true);
  const auto upstream = torch::randn({7, 3, 5});
  const auto y = pact_ste(x, alpha);
  y.backward(upstream);
  const auto values = values_of<float>(x);
  const auto g = values_of<float>(upstream);
  std::vector<float> expected;
  std::vector<float> gradient;
  double alpha_gradient = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    expected.push_back(std::min(std::max(values[i], 0.0F), 1.5F));
    gradient.push_back(values[i] >= 0 && values[i] <= 1.5F ? g[i] : 0.0F);
    alpha_gradient += values[i] >= 1.5F ? g[i] : 0.0F;
  }
  EXPECT_EQ(values_of<float>(y), expected);
  EXPECT_EQ(values_of<float>(x.grad()), gradient);
  EXPECT_NEAR(alpha.grad().item<double>(), alpha_gradient, 1e-4);
  EXPECT_EQ(alpha.grad().dim(), 0);
}

}  // namespace
}  // namespace bsq::test
