#include "bsq/kernels/sgd_step.h"

#include <gtest/gtest.h>

namespace bsq::test {
namespace {

constexpr SgdNumbers kNumbers{/*learning_rate=*/0.3, /*momentum=*/0.9, /*weight_decay=*/0.05};
constexpr int kSteps = 5;

void expect_as_torch(at::IntArrayRef shape, torch::ScalarType type, bool is_unit, double tolerance) {
  auto value = torch::randn(shape, type);
  auto momentum = torch::zeros_like(value);
  auto expected = value.clone().set_requires_grad(true);
  torch::optim::SGD sgd({expected}, torch::optim::SGDOptions(kNumbers.learning_rate)
                                        .momentum(kNumbers.momentum)
                                        .weight_decay(kNumbers.weight_decay));
  for (int step = 0; step < kSteps; ++step) {
    const auto gradient = torch::randn(shape, type);
    expected.mutable_grad() = gradient.clone();
    sgd.step();
    if (is_unit) {
      torch::NoGradGuard no_grad;
      expected.clamp_(-1, 1);
    }
    sgd_step(value, momentum, gradient, kNumbers, is_unit);
    ASSERT_TRUE(torch::allclose(value, expected.detach(), tolerance, tolerance)) << shape << " " << type;
  }
}

TEST(SgdStep, EqualsTorchsSgd) {
  torch::manual_seed(1);
  const std::vector<std::vector<int64_t>> shapes = {{}, {1}, {17}, {64, 64, 3, 3}, {100003}};
  for (const auto& shape : shapes) {
    for (const bool is_unit : {false, true}) {
      expect_as_torch(shape, torch::kFloat32, is_unit, 1e-5);
      expect_as_torch(shape, torch::kFloat64, is_unit, 1e-12);
    }
  }
}

TEST(SgdStep, TakesGradientsInAnyLayout) {
  torch::manual_seed(2);
  auto value = torch::randn({8, 6, 3, 3});
  auto momentum = torch::zeros_like(value);
  auto other = value.clone();
  auto other_momentum = momentum.clone();
  const auto gradient = torch::randn({8, 6, 3, 3});
  sgd_step(value, momentum, gradient, kNumbers, /*is_unit=*/false);
  sgd_step(other, other_momentum, gradient.contiguous(torch::MemoryFormat::ChannelsLast), kNumbers,
           /*is_unit=*/false);
  EXPECT_TRUE(torch::equal(value, other));
}

TEST(SgdStep, ServesTensorsThatAreNotContiguous) {
  torch::manual_seed(3);
  const auto gradient = torch::randn({6, 4});
  auto plain = torch::randn({6, 4});
  auto momentum = torch::zeros_like(plain);
  auto turned = plain.t().contiguous().t();
  auto turned_momentum = torch::zeros({6, 4});
  sgd_step(plain, momentum, gradient, kNumbers, /*is_unit=*/true);
  sgd_step(turned, turned_momentum, gradient, kNumbers, /*is_unit=*/true);
  EXPECT_TRUE(torch::allclose(plain, turned));
}

TEST(SgdStep, NanStaysNan) {
  auto value = torch::zeros({40});
  auto momentum = torch::zeros({40});
  sgd_step(value, momentum, torch::full({40}, std::nan("")), kNumbers, /*is_unit=*/true);
  EXPECT_TRUE(value.isnan().all().item<bool>());
}

}  // namespace
}  // namespace bsq::test
