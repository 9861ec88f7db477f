#include "bsq/methods/bsq/bit_planes.h"

#include <torch/utils.h>

#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

const torch::ScalarType kTypes[] = {torch::kFloat32, torch::kFloat64};

TEST(BitPlanes, PlaneSumInvertsPlanesOf) {
  torch::manual_seed(1);
  for (const auto type : kTypes) {
    for (const auto& shape : weight_shapes()) {
      for (int64_t bits = kMinBits; bits <= kMaxBits; ++bits) {
        const auto integers = random_integers(shape, bits, type);
        const auto planes = planes_of(integers, bits, torch::ones({}, type));
        EXPECT_NO_THROW(planes.check("planes"));
        EXPECT_EQ(planes.bits(), bits);
        EXPECT_EQ(planes.weights(), integers.numel());
        EXPECT_TRUE(is_sign_magnitude(planes));
        EXPECT_TRUE(torch::equal(plane_sum(planes.positive, planes.negative), integers)) << bits << " bits";
      }
    }
  }
}

TEST(BitPlanes, TakesIntegersOfAnyType) {
  const auto integers = torch::tensor({5, -3, 0}, torch::kInt32);
  const auto planes = planes_of(integers, /*bits=*/3, torch::ones({}, torch::kFloat64));
  EXPECT_TRUE(torch::equal(plane_sum(planes.positive, planes.negative), integers.to(torch::kFloat64)));
}

TEST(BitPlanes, MostSignificantPlaneComesFirst) {
  const auto planes = planes_of(torch::tensor({6.0F, -3.0F, 0.0F}), /*bits=*/3, torch::tensor(2.0F));
  const std::vector<float> positive = {1, 0, 0, 1, 0, 0, 0, 0, 0};
  const std::vector<float> negative = {0, 0, 0, 0, 1, 0, 0, 1, 0};
  EXPECT_EQ(values_of<float>(planes.positive), positive);
  EXPECT_EQ(values_of<float>(planes.negative), negative);
  EXPECT_EQ(digit_weight(/*bits=*/3, /*plane=*/0), 4);
  EXPECT_EQ(digit_weight(/*bits=*/3, /*plane=*/2), 1);
  EXPECT_EQ(max_integer(3), 7);
}

TEST(BitPlanes, PlaneSumOfRealPlanesMatchesALoop) {
  torch::manual_seed(2);
  const auto planes = real_planes({5, 7}, /*bits=*/4, torch::kFloat64);
  const auto p = values_of<double>(planes.positive);
  const auto n = values_of<double>(planes.negative);
  const auto sum = values_of<double>(plane_sum(planes.positive, planes.negative));
  for (size_t i = 0; i < 35; ++i) {
    const double expected = 8 * (p[i] - n[i]) + 4 * (p[35 + i] - n[35 + i]) + 2 * (p[70 + i] - n[70 + i]) +
                            (p[105 + i] - n[105 + i]);
    EXPECT_NEAR(sum[i], expected, 1e-12);
  }
}

TEST(BitPlanes, WidthHasLimits) {
  EXPECT_NO_THROW(check_bits("fc", 1));
  EXPECT_NO_THROW(check_bits("fc", 16));
  for (const int64_t bits : {-1, 0, 17}) {
    const auto message = message_of<std::invalid_argument>([&] { check_bits("fc", bits); });
    EXPECT_EQ(message, "fc: " + std::to_string(bits) + " bits; expected 1 to 16");
  }
}

TEST(BitPlanes, CheckNamesWhatIsWrong) {
  torch::manual_seed(3);
  const auto refused = [](const char* what, auto spoil) {
    auto planes = binary_planes({4, 3}, /*bits=*/2, torch::kFloat32);
    EXPECT_NO_THROW(planes.check("fc"));
    spoil(planes);
    const auto message = message_of<std::invalid_argument>([&] { planes.check("fc"); });
    EXPECT_TRUE(begins_with(message, "fc: ")) << what << ": " << message;
  };
  refused("no planes", [](BitPlanes& planes) { planes.positive = torch::Tensor(); });
  refused("no scale", [](BitPlanes& planes) { planes.scale = torch::Tensor(); });
  refused("shapes differ", [](BitPlanes& planes) { planes.negative = torch::zeros({2, 3, 4}); });
  refused("widths differ", [](BitPlanes& planes) { planes.negative = torch::zeros({3, 4, 3}); });
  refused("17 planes", [](BitPlanes& planes) {
    planes.positive = planes.negative = torch::zeros({17, 4, 3});
  });
  refused("no plane", [](BitPlanes& planes) { planes.positive = planes.negative = torch::zeros({0, 4, 3}); });
  refused("scale of two", [](BitPlanes& planes) { planes.scale = torch::ones({2}); });
  refused("scale of one, in a list", [](BitPlanes& planes) { planes.scale = torch::ones({1}); });
  refused("scale's type", [](BitPlanes& planes) { planes.scale = torch::ones({}, torch::kFloat64); });
  refused("planes' types", [](BitPlanes& planes) { planes.negative = planes.negative.to(torch::kFloat64); });
  refused("integers", [](BitPlanes& planes) {
    planes.positive = planes.negative = torch::zeros({2, 4, 3}, torch::kInt32);
    planes.scale = torch::ones({}, torch::kInt32);
  });
  refused("layout", [](BitPlanes& planes) { planes.positive = torch::zeros({2, 3, 4}).transpose(1, 2); });
}

TEST(BitPlanes, SignMagnitudeNeedsBinaryDigitsOfOneSign) {
  const auto with = [](std::vector<float> positive, std::vector<float> negative) {
    return is_sign_magnitude({tensor_of(positive, {2, 2}), tensor_of(negative, {2, 2}), torch::tensor(1.0F)});
  };
  EXPECT_TRUE(with({0, 0, 0, 0}, {0, 0, 0, 0}));
  EXPECT_TRUE(with({1, 0, 1, 0}, {0, 1, 0, 1}));
  EXPECT_FALSE(with({2, 0, 0, 0}, {0, 0, 0, 0}));
  EXPECT_FALSE(with({0, 0, 0, 0}, {0, 0.5, 0, 0}));
  EXPECT_FALSE(with({1, 0, 0, 0}, {1, 0, 0, 0})) << "the same digit in both sets";
  EXPECT_FALSE(with({1, 0, 0, 0}, {0, 0, 1, 0})) << "another digit of the same weight";
  const auto empty = torch::zeros({3, 0});
  EXPECT_TRUE(is_sign_magnitude({empty, empty, torch::tensor(0.0F)}));
}

TEST(BitPlanes, KeepsItsOwnScale) {
  const auto scale = torch::tensor(0.5F).set_requires_grad(true);
  const auto planes = planes_of(torch::tensor({1.0F}), /*bits=*/1, scale);
  EXPECT_FALSE(planes.scale.requires_grad());
  EXPECT_NE(planes.scale.data_ptr(), scale.data_ptr());
}

}  // namespace
}  // namespace bsq::test
