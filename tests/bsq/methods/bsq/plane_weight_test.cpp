#include "bsq/methods/bsq/plane_weight.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

const torch::ScalarType kPlaneTypes[] = {torch::kFloat32, torch::kFloat64};

BitPlanes leaves_of(const BitPlanes& planes) {
  const auto leaf = [](const torch::Tensor& tensor) {
    return tensor.detach().clone().set_requires_grad(true);
  };
  return {leaf(planes.positive), leaf(planes.negative), leaf(planes.scale)};
}

TEST(PlaneWeight, ComputesWithTheReconstructedPlanes) {
  torch::manual_seed(1);
  for (const auto type : kPlaneTypes) {
    for (const auto& shape : weight_shapes()) {
      for (const int64_t bits : {1, 3, 8, 16}) {
        const auto planes = real_planes(shape, bits, type);
        const PlaneWeight weight(planes);
        EXPECT_TRUE(
            torch::equal(value_in(weight), reconstruct_ste(planes.positive, planes.negative, planes.scale)));
        EXPECT_EQ(weight.bits(), bits);
        EXPECT_EQ(weight.shape(), at::IntArrayRef(shape));
      }
    }
  }
}

TEST(PlaneWeight, CopiesThePlanes) {
  const auto planes = real_planes({4, 3}, /*bits=*/3, torch::kFloat32);
  const PlaneWeight weight(planes);
  EXPECT_NE(weight.planes().positive.data_ptr(), planes.positive.data_ptr());
  for (const auto& slot : weight.slots()) {
    EXPECT_TRUE(slot.tensor.is_leaf() && slot.tensor.requires_grad()) << slot.name;
  }
}

TEST(PlaneWeight, OnlyPlanesHaveLimits) {
  const auto slots = PlaneWeight(real_planes({4, 3}, /*bits=*/3, torch::kFloat32)).slots();
  ASSERT_EQ(slots.size(), 3U);
  for (const size_t plane : {0, 1}) {
    EXPECT_EQ(slots[plane].low, 0.0);
    EXPECT_EQ(slots[plane].high, 2.0);
  }
  EXPECT_EQ(slots[2].name, "scale");
  EXPECT_EQ(slots[2].high, std::numeric_limits<double>::infinity());
}

// From dL/dW and Q follow the gradients that autograd gives through reconstruct_ste(), also where several
// forward passes come before.
TEST(PlaneWeight, TheCollectedGradientIsAutogradsThroughThePlanes) {
  torch::manual_seed(2);
  for (const auto type : kPlaneTypes) {
    PlaneWeight weight(real_planes({4, 5}, /*bits=*/3, type));
    const auto leaves = leaves_of(weight.planes());
    for (const int64_t batch : {2, 7}) {
      const auto x = torch::randn({batch, 5}, type);
      const auto upstream = torch::randn({batch, 4}, type);
      torch::linear(x, weight.value()).backward(upstream);
      torch::linear(x, reconstruct_ste(leaves.positive, leaves.negative, leaves.scale)).backward(upstream);
    }
    const auto gradient = weight.weight_gradient();
    for (int64_t plane = 0; plane < weight.bits(); ++plane) {
      const auto expected = gradient * weight.planes().scale.detach() *
                            (static_cast<double>(digit_weight(weight.bits(), plane)) /
                             static_cast<double>(max_integer(weight.bits())));
      EXPECT_TRUE(torch::allclose(leaves.positive.grad()[plane], expected, 1e-4, 1e-5));
      EXPECT_TRUE(torch::allclose(leaves.negative.grad()[plane], -expected, 1e-4, 1e-5));
    }
    EXPECT_TRUE(torch::allclose(leaves.scale.grad(), gradient.mul(weight.rounded_value()).sum(), 1e-4, 1e-4));
    EXPECT_FALSE(weight.planes().positive.grad().defined()) << "planes have no gradients of their own";
    weight.clear_weight_gradient();
    EXPECT_FALSE(weight.weight_gradient().defined());
  }
}

TEST(PlaneWeight, CodesAreTheValues) {
  torch::manual_seed(3);
  for (const auto type : kPlaneTypes) {
    for (const auto& shape : weight_shapes()) {
      for (const int64_t bits : {1, 3, 8, 16}) {
        const PlaneWeight weight(real_planes(shape, bits, type));
        const auto codes = *weight.codes();
        EXPECT_TRUE(torch::equal(value_of(codes), value_in(weight)));
        EXPECT_EQ(codes.format, sign_magnitude(is_all_zero(codes) ? 0 : bits));
      }
    }
  }
}

TEST(PlaneWeight, WithoutADigitTheCodesHaveZeroBits) {
  const auto half = torch::full({2, 3, 2}, 0.5F);
  const PlaneWeight weight({half, half, torch::tensor(0.7F)});
  EXPECT_EQ(weight.bits(), 2);
  EXPECT_EQ(weight.codes()->format.bits, 0);
  EXPECT_EQ(weight.store().bits, 0);
}

TEST(PlaneWeight, BinaryPlanesAreStoredAsIntegers) {
  const auto weight = plane_source(torch::tensor({7.0F, -5.0F, 0.0F, -1.0F}), /*bits=*/3, /*scale=*/0.25F);
  const auto stored = weight->store();
  EXPECT_EQ(stored.encoding, Encoding::kCodes);
  EXPECT_TRUE(torch::equal(stored.value, torch::tensor({7, -5, 0, -1}, torch::kInt32)));
  EXPECT_EQ(stored.scale.item<float>(), 0.25F);
  EXPECT_EQ(stored.bits, 3);
  EXPECT_FALSE(stored.positive.defined());
}

TEST(PlaneWeight, RealPlanesAreStoredAsTheyAre) {
  torch::manual_seed(4);
  for (const auto type : kPlaneTypes) {
    const PlaneWeight weight(real_planes({4, 3}, /*bits=*/5, type));
    const auto stored = weight.store();
    EXPECT_EQ(stored.encoding, Encoding::kPlanes);
    EXPECT_EQ(stored.source, "bsq");
    EXPECT_EQ(stored.format, sign_magnitude(5));
    const auto made = PlaneWeight::load(stored, type);
    EXPECT_TRUE(same_stored(made->store(), stored));
    EXPECT_TRUE(torch::equal(value_in(*made), value_in(weight)));
  }
}

// Planes that no code tells apart are stored as planes.
TEST(PlaneWeight, EmptyPlanesAreCountedInWhatIsStored) {
  const auto one = plane_source(torch::zeros({3}), /*bits=*/1);
  EXPECT_EQ(one->store().encoding, Encoding::kCodes);
  const auto three = plane_source(torch::zeros({3}), /*bits=*/3);
  const auto stored = three->store();
  EXPECT_EQ(stored.encoding, Encoding::kPlanes);
  EXPECT_EQ(stored.bits, 0);
  EXPECT_EQ(PlaneWeight::load(stored, torch::kFloat32)->bits(), 3);
}

TEST(PlaneWeight, DigitsInBothPlaneSetsAreStoredAsPlanes) {
  auto planes = binary_planes({3}, /*bits=*/2, torch::kFloat32);
  planes.positive[0][0] = 1;
  planes.negative[1][0] = 1;
  const PlaneWeight weight(planes);
  EXPECT_EQ(weight.store().encoding, Encoding::kPlanes);
}

TEST(PlaneWeight, StoredTensorsDoNotFollowTraining) {
  PlaneWeight weight(real_planes({3, 2}, /*bits=*/4, torch::kFloat32));
  const auto stored = weight.store();
  const auto before = stored.positive.clone();
  torch::NoGradGuard no_grad;
  weight.planes().positive.mul_(0.5);
  EXPECT_TRUE(torch::equal(stored.positive, before));
}

TEST(PlaneWeight, RefreshFollowsThePlanesInPlace) {
  torch::manual_seed(5);
  PlaneWeight weight(real_planes({3, 2}, /*bits=*/4, torch::kFloat32));
  const auto leaf = weight.value();
  {
    torch::NoGradGuard no_grad;
    weight.planes().scale.mul_(2);
  }
  weight.refresh();
  EXPECT_EQ(weight.value().data_ptr(), leaf.data_ptr());
  EXPECT_TRUE(torch::equal(leaf.detach(), weight.rounded_value() * weight.planes().scale.detach()));
}

TEST(PlaneWeight, LoadsIntoTheTypeThatIsAskedFor) {
  const auto stored = PlaneWeight(real_planes({4, 3}, /*bits=*/5, torch::kFloat32)).store();
  for (const auto& slot : PlaneWeight::load(stored, torch::kFloat64)->slots()) {
    EXPECT_EQ(slot.tensor.scalar_type(), torch::kFloat64) << slot.name;
  }
}

TEST(PlaneWeight, RefusesWhatAreNoPlanes) {
  auto planes = real_planes({4, 3}, /*bits=*/5, torch::kFloat32);
  planes.negative = torch::rand({4, 4, 3});
  EXPECT_THROW(PlaneWeight{planes}, std::invalid_argument);
  StoredTensor stored;
  stored.value = torch::zeros({3});
  EXPECT_THROW(PlaneWeight::load(stored, torch::kFloat32), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
