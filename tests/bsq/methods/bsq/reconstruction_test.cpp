#include "bsq/methods/bsq/reconstruction.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "bsq/methods/bsq/bit_planes.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

template <typename T>
T slow_round(T q, int64_t bits) {
  const T levels = static_cast<T>(max_integer(bits));
  return std::nearbyint(std::min(std::max(q, T(-1)), T(1)) * levels) / levels;
}

template <typename T>
std::vector<T> slow_values(const BitPlanes& planes) {
  const auto p = values_of<T>(planes.positive);
  const auto n = values_of<T>(planes.negative);
  const auto weights = static_cast<size_t>(planes.weights());
  std::vector<T> values;
  for (size_t i = 0; i < weights; ++i) {
    T sum = 0;
    for (int64_t plane = 0; plane < planes.bits(); ++plane) {
      const size_t at = static_cast<size_t>(plane) * weights + i;
      sum += (p[at] - n[at]) * static_cast<T>(digit_weight(planes.bits(), plane));
    }
    values.push_back(sum / static_cast<T>(max_integer(planes.bits())));
  }
  return values;
}

template <typename T>
void expect_forward(const Shape& shape, int64_t bits) {
  const BitPlanes planes = real_planes(shape, bits, c10::CppTypeToScalarType<T>::value);
  const auto expected = slow_values<T>(planes);
  const auto q = values_of<T>(plane_value(planes.positive, planes.negative));
  const auto weight = reconstruct_ste(planes.positive, planes.negative, planes.scale);
  ASSERT_EQ(weight.sizes(), at::IntArrayRef(shape));
  const auto got = values_of<T>(weight);
  const T scale = planes.scale.item<T>();
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(q[i], expected[i]);
    ASSERT_EQ(got[i], slow_round(expected[i], bits) * scale);
  }
}

// dL/dp_b = dL/dW s 2^(n-1-b) / (2^n - 1), dL/dn_b = minus that, dL/ds = sum(dL/dW Q).
void expect_backward(const Shape& shape, int64_t bits, torch::ScalarType type, double tolerance) {
  auto planes = real_planes(shape, bits, type);
  for (auto* tensor : {&planes.positive, &planes.negative, &planes.scale}) {
    tensor->set_requires_grad(true);
  }
  const auto upstream = torch::randn(shape, type);
  reconstruct_ste(planes.positive, planes.negative, planes.scale).backward(upstream);
  torch::NoGradGuard no_grad;
  const double scale = planes.scale.item<double>();
  for (int64_t plane = 0; plane < bits; ++plane) {
    const double factor =
        scale * static_cast<double>(digit_weight(bits, plane)) / static_cast<double>(max_integer(bits));
    EXPECT_TRUE(torch::allclose(planes.positive.grad()[plane], upstream * factor, tolerance, tolerance));
    EXPECT_TRUE(torch::equal(planes.negative.grad()[plane], -planes.positive.grad()[plane]));
  }
  const auto value = round_value(plane_value(planes.positive, planes.negative), bits);
  const auto terms = upstream.to(torch::kFloat64) * value.to(torch::kFloat64);
  EXPECT_NEAR(planes.scale.grad().item<double>(), terms.sum().item<double>(),
              tolerance * terms.abs().sum().item<double>() + tolerance);
}

TEST(Reconstruction, ForwardMatchesALoop) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 3, 5, 8, 16}) {
      expect_forward<float>(shape, bits);
      expect_forward<double>(shape, bits);
    }
  }
}

TEST(Reconstruction, BackwardIsStraightThrough) {
  torch::manual_seed(2);
  for (const auto& shape : weight_shapes()) {
    for (const int64_t bits : {1, 2, 5, 8}) {
      expect_backward(shape, bits, torch::kFloat32, /*tolerance=*/1e-5);
      expect_backward(shape, bits, torch::kFloat64, /*tolerance=*/1e-12);
    }
  }
}

TEST(Reconstruction, RoundsHalfToEven) {
  const auto q = torch::tensor({0.5, -0.5, 1.0 / 6, -1.0 / 6, 5.0 / 6, -5.0 / 6}, torch::kFloat64);
  const auto expected = torch::tensor({2.0, -2.0, 0.0, 0.0, 2.0, -2.0}, torch::kFloat64) / 3;
  EXPECT_TRUE(torch::equal(round_value(q, /*bits=*/2), expected));
}

TEST(Reconstruction, ClampsToOne) {
  const auto q = torch::tensor({1.0, 1.0001, 2.0, -1.0, -1.7});
  const auto expected = torch::tensor({1.0, 1.0, 1.0, -1.0, -1.0});
  for (const int64_t bits : {1, 4, 16}) {
    EXPECT_TRUE(torch::equal(round_value(q, bits), expected));
  }
}

TEST(Reconstruction, RoundedValuesStay) {
  torch::manual_seed(3);
  for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
    const auto once = round_value(torch::randn({999}), bits);
    EXPECT_TRUE(torch::equal(round_value(once, bits), once));
  }
}

TEST(Reconstruction, RoundValueSteLetsEveryGradientThrough) {
  const auto q = torch::tensor({-3.0, -1.0, -0.2, 0.0, 0.4, 1.0, 3.0}).set_requires_grad(true);
  const auto upstream = torch::arange(1, 8, torch::kFloat32);
  const auto rounded = round_value_ste(q, /*bits=*/3);
  EXPECT_TRUE(torch::equal(rounded.detach(), round_value(q.detach(), /*bits=*/3)));
  rounded.backward(upstream);
  EXPECT_TRUE(torch::equal(q.grad(), upstream));
}

TEST(Reconstruction, RecordedNumbers) {
  const auto positive = torch::tensor({{1.0F, 0.0F, 2.0F}, {1.0F, 0.4F, 2.0F}});
  const auto negative = torch::tensor({{0.0F, 1.0F, 0.0F}, {0.0F, 0.0F, 0.0F}});
  const auto weight = reconstruct_ste(positive, negative, torch::tensor(1.5F));
  EXPECT_TRUE(torch::equal(weight, torch::tensor({1.5F, -1.0F, 1.5F}))) << weight;
}

}  // namespace
}  // namespace bsq::test
