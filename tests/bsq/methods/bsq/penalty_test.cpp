#include "bsq/methods/bsq/penalty.h"

#include <torch/utils.h>

#include <cmath>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

std::vector<double> slow_norms(const BitPlanes& planes) {
  const auto p = values_of<double>(planes.positive);
  const auto n = values_of<double>(planes.negative);
  const auto weights = static_cast<size_t>(planes.weights());
  std::vector<double> norms;
  for (size_t plane = 0; plane < static_cast<size_t>(planes.bits()); ++plane) {
    double squares = 1e-8;
    for (size_t i = plane * weights; i < (plane + 1) * weights; ++i) {
      squares += p[i] * p[i] + n[i] * n[i];
    }
    norms.push_back(std::sqrt(squares));
  }
  return norms;
}

void expect_norms(const Shape& shape, int64_t bits, torch::ScalarType type, double tolerance) {
  const auto planes = real_planes(shape, bits, type);
  const auto expected = slow_norms(planes);
  const auto norms = values_of<double>(plane_norms(planes.positive, planes.negative));
  ASSERT_EQ(norms.size(), expected.size());
  double sum = 0;
  for (size_t plane = 0; plane < expected.size(); ++plane) {
    EXPECT_NEAR(norms[plane], expected[plane], tolerance * expected[plane]);
    sum += expected[plane];
  }
  EXPECT_NEAR(group_lasso(planes.positive, planes.negative).item<double>(), sum, tolerance * sum);
}

TEST(Penalty, NormsMatchALoop) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 3, 8}) {
      expect_norms(shape, bits, torch::kFloat32, /*tolerance=*/1e-5);
      expect_norms(shape, bits, torch::kFloat64, /*tolerance=*/1e-12);
    }
  }
}

TEST(Penalty, GradientIsTheDigitOverItsNorm) {
  torch::manual_seed(2);
  const auto planes = real_planes({5, 7}, /*bits=*/4, torch::kFloat64);
  planes.positive.set_requires_grad(true);
  planes.negative.set_requires_grad(true);
  group_lasso(planes.positive, planes.negative).backward();
  const auto norms = torch::tensor(slow_norms(planes), torch::kFloat64).reshape({4, 1, 1});
  EXPECT_TRUE(torch::allclose(planes.positive.grad(), planes.positive.detach() / norms, 1e-10, 1e-12));
  EXPECT_TRUE(torch::allclose(planes.negative.grad(), planes.negative.detach() / norms, 1e-10, 1e-12));
}

TEST(Penalty, PlanesOfZerosHaveANormAndNoGradient) {
  const auto positive = torch::zeros({2, 3}).set_requires_grad(true);
  const auto negative = torch::zeros({2, 3});
  const auto penalty = group_lasso(positive, negative);
  penalty.backward();
  EXPECT_NEAR(penalty.item<double>(), 2e-4, 1e-9);
  EXPECT_TRUE(torch::equal(positive.grad(), torch::zeros({2, 3})));
}

TEST(Penalty, FactorWeighsByBits) {
  EXPECT_DOUBLE_EQ(penalty_factor(/*weights=*/10, /*bits=*/4, /*all_weights=*/100), 0.4);
  EXPECT_DOUBLE_EQ(penalty_factor(/*weights=*/2304, /*bits=*/8, /*all_weights=*/268346), 2304.0 * 8 / 268346);
  EXPECT_DOUBLE_EQ(penalty_factor(/*weights=*/7, /*bits=*/3, /*all_weights=*/7), 3.0);
}

}  // namespace
}  // namespace bsq::test
