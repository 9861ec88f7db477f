#include "bsq/nn/bit_parameter.h"

#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

torch::Tensor fresh(const Shape& shape, torch::ScalarType type) {
  return torch::randn(shape, type).set_requires_grad(true);
}

torch::Tensor value_of(BitParameter& parameter) {
  torch::NoGradGuard no_grad;
  return parameter.value().clone();
}

const torch::ScalarType kTypes[] = {torch::kFloat32, torch::kFloat64};

TEST(BitParameter, BeginsAsTheFloatTensor) {
  const auto weight = fresh({4, 3}, torch::kFloat32);
  BitParameter parameter(weight);
  EXPECT_EQ(parameter.representation(), Representation::kFloat);
  EXPECT_EQ(parameter.value().data_ptr(), weight.data_ptr());
  EXPECT_EQ(parameter.bits(), 0);
  EXPECT_EQ(parameter.numel(), 12);
  EXPECT_FALSE(parameter.scale().defined());
}

TEST(BitParameter, ConvertsAsToBitPlanesDoes) {
  torch::manual_seed(1);
  for (const auto type : kTypes) {
    for (const int64_t bits : {1, 4, 8}) {
      const auto weight = fresh({5, 7}, type);
      const auto planes = to_bit_planes(weight, bits);
      BitParameter parameter(weight);
      parameter.convert(bits);
      EXPECT_EQ(parameter.bits(), bits);
      EXPECT_TRUE(torch::equal(parameter.planes().positive, planes.positive));
      EXPECT_TRUE(torch::equal(parameter.planes().negative, planes.negative));
      EXPECT_TRUE(torch::equal(parameter.scale(), planes.scale));
      EXPECT_TRUE(parameter.planes().positive.requires_grad());
      EXPECT_FALSE(parameter.weight().defined());
    }
  }
}

TEST(BitParameter, FreezingKeepsEveryValue) {
  torch::manual_seed(2);
  for (const auto type : kTypes) {
    for (const auto& shape : weight_shapes()) {
      for (const int64_t bits : {1, 3, 8, 16}) {
        BitParameter parameter(fresh(shape, type));
        parameter.set_planes(real_planes(shape, bits, type));
        const auto before = value_of(parameter);
        parameter.freeze();
        EXPECT_TRUE(torch::equal(value_of(parameter), before));
        if (parameter.bits() > 0) {
          EXPECT_EQ(parameter.bits(), bits);
        }
        EXPECT_LE(parameter.weight().abs().max().item<double>(), 1.0);
        parameter.unfreeze();
        EXPECT_TRUE(torch::equal(value_of(parameter), before));
        EXPECT_TRUE(is_sign_magnitude(parameter.planes()));
        parameter.make_float();
        EXPECT_TRUE(torch::equal(value_of(parameter), before));
        EXPECT_TRUE(parameter.weight().requires_grad());
      }
    }
  }
}

TEST(BitParameter, MakeFloatKeepsEveryValueOfAFrozenTensor) {
  torch::manual_seed(3);
  for (const auto mode : {GradientMode::kPlanes, GradientMode::kWeight}) {
    BitParameter parameter(fresh({5, 7}, torch::kFloat32));
    parameter.set_gradient_mode(mode);
    bring_to(parameter, Representation::kFrozen);
    const auto before = value_of(parameter);
    parameter.make_float();
    EXPECT_TRUE(torch::equal(value_of(parameter), before));
    EXPECT_EQ(parameter.representation(), Representation::kFloat);
    EXPECT_EQ(parameter.bits(), 0);
  }
}

TEST(BitParameter, FreezingAllZeroGivesZeroBits) {
  BitParameter parameter(fresh({3, 2}, torch::kFloat32));
  const auto both = torch::full({2, 3, 2}, 0.5F);
  parameter.set_planes({both, both, torch::tensor(0.7F)});
  parameter.freeze();
  EXPECT_EQ(parameter.bits(), 0);
  EXPECT_TRUE(torch::equal(parameter.value(), torch::zeros({3, 2})));
  EXPECT_FALSE(parameter.weight().requires_grad());
  EXPECT_FALSE(parameter.scale().requires_grad());
  parameter.unfreeze();
  EXPECT_EQ(parameter.bits(), 1);
  EXPECT_TRUE(torch::equal(value_of(parameter), torch::zeros({3, 2})));
  parameter.make_float();
  EXPECT_TRUE(torch::equal(value_of(parameter), torch::zeros({3, 2})));
}

TEST(BitParameter, FrozenGradientsAreStraightThrough) {
  torch::manual_seed(4);
  BitParameter parameter(fresh({6, 3}, torch::kFloat64));
  bring_to(parameter, Representation::kFrozen, torch::kFloat64);
  const auto upstream = torch::randn({6, 3}, torch::kFloat64);
  parameter.value().backward(upstream);
  const double scale = parameter.scale().item<double>();
  EXPECT_TRUE(torch::allclose(parameter.weight().grad(), upstream * scale));
  const auto rounded = round_value(parameter.weight().detach(), parameter.bits());
  EXPECT_TRUE(torch::allclose(parameter.scale().grad(), upstream.mul(rounded).sum()));
}

TEST(BitParameter, RefusesTheWrongRepresentation) {
  BitParameter parameter(fresh({3}, torch::kFloat32));
  EXPECT_THROW(parameter.freeze(), std::logic_error);
  EXPECT_THROW(parameter.unfreeze(), std::logic_error);
  EXPECT_THROW(parameter.planes(), std::logic_error);
  parameter.convert(4);
  EXPECT_THROW(parameter.convert(4), std::logic_error);
  EXPECT_THROW(parameter.unfreeze(), std::logic_error);
  parameter.freeze();
  EXPECT_THROW(parameter.convert(4), std::logic_error);
  EXPECT_THROW(parameter.freeze(), std::logic_error);
  EXPECT_THROW(parameter.planes(), std::logic_error);
}

TEST(BitParameter, RefusesPlanesOfAnotherShape) {
  BitParameter parameter(fresh({3, 2}, torch::kFloat32));
  EXPECT_THROW(parameter.set_planes(binary_planes({2, 3}, /*bits=*/2, torch::kFloat32)),
               std::invalid_argument);
  EXPECT_EQ(parameter.representation(), Representation::kFloat);
}

// Stores a parameter, loads it into others in every representation, and expects the same there.
void expect_round_trip(BitParameter& parameter, Encoding encoding, torch::ScalarType type) {
  const auto stored = parameter.store();
  EXPECT_EQ(stored.encoding, encoding);
  EXPECT_EQ(stored.bits, parameter.bits());
  for (const auto representation : kRepresentations) {
    BitParameter other(fresh(parameter.shape().vec(), type));
    bring_to(other, representation, type);
    other.load("fc.weight", stored);
    EXPECT_EQ(other.representation(), parameter.representation());
    EXPECT_EQ(other.bits(), parameter.bits());
    EXPECT_TRUE(torch::equal(value_of(other), value_of(parameter)));
    EXPECT_TRUE(same_stored(other.store(), stored));
  }
}

TEST(BitParameter, StoresAndLoadsEveryEncoding) {
  torch::manual_seed(5);
  for (const auto type : kTypes) {
    for (const auto& shape : weight_shapes()) {
      BitParameter parameter(fresh(shape, type));
      expect_round_trip(parameter, Encoding::kFloat, type);
      parameter.convert(6);
      expect_round_trip(parameter, Encoding::kBinary, type);
      parameter.set_planes(real_planes(shape, /*bits=*/5, type));
      if (!is_sign_magnitude(parameter.planes())) {
        expect_round_trip(parameter, Encoding::kPlanes, type);
      }
      parameter.freeze();
      expect_round_trip(parameter, Encoding::kFrozen, type);
    }
  }
}

TEST(BitParameter, StoresZeroBits) {
  BitParameter parameter(fresh({3, 2}, torch::kFloat32));
  parameter.set_planes(planes_of(torch::zeros({3, 2}), /*bits=*/3, torch::tensor(0.7F)));
  parameter.freeze();
  expect_round_trip(parameter, Encoding::kFrozen, torch::kFloat32);
  BitParameter other(fresh({3, 2}, torch::kFloat32));
  other.load("fc.weight", parameter.store());
  EXPECT_FALSE(other.weight().requires_grad());
}

TEST(BitParameter, BinaryPlanesAreStoredAsIntegers) {
  BitParameter parameter(fresh({4}, torch::kFloat32));
  parameter.set_planes(
      planes_of(torch::tensor({7.0F, -5.0F, 0.0F, -1.0F}), /*bits=*/3, torch::tensor(0.25F)));
  const auto stored = parameter.store();
  EXPECT_TRUE(torch::equal(stored.value, torch::tensor({7, -5, 0, -1}, torch::kInt32)));
  EXPECT_EQ(stored.scale.item<float>(), 0.25F);
  EXPECT_FALSE(stored.positive.defined());
}

TEST(BitParameter, ABinaryTensorOfZeroBitsLoadsAsOnePlane) {
  StoredTensor stored;
  stored.encoding = Encoding::kBinary;
  stored.value = torch::zeros({3}, torch::kInt32);
  stored.scale = torch::tensor(0.0F);
  BitParameter parameter(fresh({3}, torch::kFloat32));
  parameter.load("fc.bias", stored);
  EXPECT_EQ(parameter.bits(), 1);
  EXPECT_TRUE(torch::equal(value_of(parameter), torch::zeros({3})));
}

TEST(BitParameter, StoredTensorsDoNotFollowTraining) {
  torch::manual_seed(6);
  for (const auto representation : kRepresentations) {
    BitParameter parameter(fresh({3, 2}, torch::kFloat32));
    bring_to(parameter, representation);
    const auto stored = parameter.store();
    BitParameter before(fresh({3, 2}, torch::kFloat32));
    before.load("fc.weight", stored);
    torch::NoGradGuard no_grad;
    for (auto tensor :
         {representation == Representation::kBits ? parameter.planes().positive : parameter.weight(),
          parameter.scale()}) {
      if (tensor.defined()) {
        tensor.mul_(0.5);
      }
    }
    EXPECT_TRUE(same_stored(stored, before.store()));
  }
}

StoredTensor stored_bits(const Shape& shape) {
  BitParameter parameter(fresh(shape, torch::kFloat32));
  parameter.convert(4);
  return parameter.store();
}

std::string load_message(const Shape& shape, const StoredTensor& stored) {
  BitParameter parameter(fresh(shape, torch::kFloat32));
  return message_of<std::invalid_argument>([&] { parameter.load("layer1.0.conv1.weight", stored); });
}

TEST(BitParameter, LoadingNamesTheTensorThatDoesNotFit) {
  torch::manual_seed(7);
  EXPECT_EQ(load_message({2, 3}, stored_bits({3, 2})),
            "layer1.0.conv1.weight: shape [3, 2]; expected [2, 3]");
  auto wide = stored_bits({2, 3});
  wide.bits = 17;
  EXPECT_TRUE(begins_with(load_message({2, 3}, wide), "layer1.0.conv1.weight: 17 bits"));
  wide.bits = -1;
  EXPECT_TRUE(begins_with(load_message({2, 3}, wide), "layer1.0.conv1.weight: -1 bits"));
  StoredTensor uneven;
  uneven.encoding = Encoding::kPlanes;
  uneven.positive = torch::rand({4, 2, 3});
  uneven.negative = torch::rand({5, 2, 3});
  uneven.scale = torch::tensor(1.0F);
  uneven.bits = 4;
  EXPECT_TRUE(begins_with(load_message({2, 3}, uneven), "layer1.0.conv1.weight: "));
  BitParameter frozen(fresh({2, 3}, torch::kFloat32));
  bring_to(frozen, Representation::kFrozen);
  auto stored = frozen.store();
  stored.bits = 40;
  EXPECT_TRUE(begins_with(load_message({2, 3}, stored), "layer1.0.conv1.weight: 40 bits"));
}

TEST(BitParameter, LoadsIntoTheTypeItHas) {
  torch::manual_seed(8);
  BitParameter parameter(fresh({4, 3}, torch::kFloat64));
  parameter.load("fc.weight", stored_bits({4, 3}));
  EXPECT_EQ(parameter.planes().positive.scalar_type(), torch::kFloat64);
  EXPECT_EQ(parameter.scale().scalar_type(), torch::kFloat64);
}

TEST(BitParameter, EvaluationKeepsNoGradient) {
  BitParameter parameter(fresh({4, 3}, torch::kFloat32));
  parameter.convert(4);
  parameter.set_gradient_mode(GradientMode::kWeight);
  torch::NoGradGuard no_grad;
  EXPECT_FALSE(parameter.value().requires_grad());
  EXPECT_FALSE(parameter.weight_gradient().defined());
}

}  // namespace
}  // namespace bsq::test
