#include "bsq/kernels/sgd_step.h"

#include <gtest/gtest.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <cmath>

namespace bsq::test {
namespace {

constexpr SgdNumbers kNumbers{/*learning_rate=*/0.3, /*momentum=*/0.9, /*weight_decay=*/0.05};
constexpr int kSteps = 5;
constexpr ClampLimits kUnit{/*low=*/-1, /*high=*/1};
constexpr ClampLimits kPlane{/*low=*/0, /*high=*/2};
constexpr ClampLimits kUneven{/*low=*/-1, /*high=*/0.75};

void expect_as_torch(at::IntArrayRef shape, torch::ScalarType type, const ClampLimits& limits,
                     double tolerance, bool is_nesterov = false) {
  auto numbers = kNumbers;
  numbers.is_nesterov = is_nesterov;
  auto value = torch::randn(shape, type);
  auto momentum = torch::zeros_like(value);
  auto expected = value.clone().set_requires_grad(true);
  torch::optim::SGD sgd({expected}, torch::optim::SGDOptions(kNumbers.learning_rate)
                                        .momentum(kNumbers.momentum)
                                        .weight_decay(kNumbers.weight_decay)
                                        .nesterov(is_nesterov));
  for (int step = 0; step < kSteps; ++step) {
    const auto gradient = torch::randn(shape, type);
    expected.mutable_grad() = gradient.clone();
    sgd.step();
    {
      torch::NoGradGuard no_grad;
      expected.clamp_(limits.low, limits.high);
    }
    sgd_step(value, momentum, gradient, numbers, limits);
    ASSERT_TRUE(torch::allclose(value, expected.detach(), tolerance, tolerance)) << shape << " " << type;
  }
}

TEST(SgdStep, EqualsTorchsSgd) {
  torch::manual_seed(1);
  const std::vector<std::vector<int64_t>> shapes = {{}, {1}, {17}, {64, 64, 3, 3}, {100003}};
  for (const auto& shape : shapes) {
    for (const auto& limits : {ClampLimits(), kUnit, kPlane, kUneven}) {
      expect_as_torch(shape, torch::kFloat32, limits, 1e-5);
      expect_as_torch(shape, torch::kFloat64, limits, 1e-12);
    }
  }
}

TEST(SgdStep, OfManyTensorsIsThatOfEach) {
  torch::manual_seed(10);
  for (const bool is_nesterov : {false, true}) {
    auto numbers = kNumbers;
    numbers.is_nesterov = is_nesterov;
    std::vector<torch::Tensor> values, momenta, gradients, expected, expected_momenta;
    for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {17}, {64, 3, 3, 3}}) {
      values.push_back(torch::randn(shape, torch::kFloat64));
      momenta.push_back(torch::randn(shape, torch::kFloat64));
      gradients.push_back(torch::randn(shape, torch::kFloat64));
      expected.push_back(values.back().clone());
      expected_momenta.push_back(momenta.back().clone());
      sgd_step(expected.back(), expected_momenta.back(), gradients.back(), numbers);
    }
    sgd_steps(values, momenta, gradients, numbers);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_TRUE(torch::allclose(values[i], expected[i], 1e-12, 1e-12)) << i;
      EXPECT_TRUE(torch::allclose(momenta[i], expected_momenta[i], 1e-12, 1e-12)) << i;
    }
  }
}

TEST(SgdStep, EqualsTorchsSgdWithNesterovsMomentum) {
  torch::manual_seed(9);
  for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {17}, {64, 64, 3, 3}, {100003}}) {
    for (const auto& limits : {ClampLimits(), kUneven}) {
      expect_as_torch(shape, torch::kFloat32, limits, 1e-5, /*is_nesterov=*/true);
      expect_as_torch(shape, torch::kFloat64, limits, 1e-12, /*is_nesterov=*/true);
    }
  }
  auto value = torch::ones({40}, torch::kBFloat16), momentum = torch::zeros_like(value);
  sgd_step(value, momentum, torch::ones({40}, torch::kBFloat16), {0.25, 0.5, 0, /*is_nesterov=*/true});
  EXPECT_TRUE(torch::equal(value, torch::full({40}, 1 - 0.25 * 1.5, torch::kBFloat16)));
}

TEST(SgdStep, TakesGradientsInAnyLayout) {
  torch::manual_seed(2);
  auto value = torch::randn({8, 6, 3, 3});
  auto momentum = torch::zeros_like(value);
  auto other = value.clone();
  auto other_momentum = momentum.clone();
  const auto gradient = torch::randn({8, 6, 3, 3});
  sgd_step(value, momentum, gradient, kNumbers);
  sgd_step(other, other_momentum, gradient.contiguous(torch::MemoryFormat::ChannelsLast), kNumbers);
  EXPECT_TRUE(torch::equal(value, other));
}

TEST(SgdStep, ServesTensorsThatAreNotContiguous) {
  torch::manual_seed(3);
  const auto gradient = torch::randn({6, 4});
  auto plain = torch::randn({6, 4});
  auto momentum = torch::zeros_like(plain);
  auto turned = plain.t().contiguous().t();
  auto turned_momentum = torch::zeros({6, 4});
  sgd_step(plain, momentum, gradient, kNumbers, kUnit);
  sgd_step(turned, turned_momentum, gradient, kNumbers, kUnit);
  EXPECT_TRUE(torch::allclose(plain, turned));
}

// A type without a kernel of its own takes libtorch's operations.
TEST(SgdStep, ServesEveryType) {
  auto value = torch::full({40}, 0.5, torch::kBFloat16);
  auto momentum = torch::zeros({40}, torch::kBFloat16);
  sgd_step(value, momentum, torch::full({40}, -100, torch::kBFloat16), kNumbers, kUneven);
  EXPECT_TRUE(value.eq(0.75).all().item<bool>());
}

TEST(SgdStep, NanStaysNan) {
  auto value = torch::zeros({40});
  auto momentum = torch::zeros({40});
  sgd_step(value, momentum, torch::full({40}, std::nan("")), kNumbers, kUnit);
  EXPECT_TRUE(value.isnan().all().item<bool>());
}

}  // namespace
}  // namespace bsq::test
