#include "bsq/nn/master_weight.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/quant/sign_magnitude.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

const torch::ScalarType kTypes[] = {torch::kFloat32, torch::kFloat64};

Codes random_codes(const Shape& shape, const CodeFormat& format, torch::ScalarType type) {
  Codes codes;
  const int64_t places = (format.high() - format.low) / format.step;
  codes.integers = torch::randint(0, places + 1, shape, torch::kInt32)
                       .mul_(format.step)
                       .add_(format.low)
                       .to(torch::kInt32);
  codes.scale = torch::rand({}, type).add_(0.1);
  codes.format = format;
  return codes;
}

// A grid of every kind: BSQ's, two's complement, signs alone, one without negative numbers.
std::vector<CodeFormat> formats() {
  return {sign_magnitude(1),
          sign_magnitude(3),
          sign_magnitude(16),
          twos_complement(2),
          twos_complement(3),
          twos_complement(8),
          {/*bits=*/1, /*levels=*/1, /*low=*/-1, /*step=*/2, /*has_sign_bit=*/false},
          {/*bits=*/2, /*levels=*/3, /*low=*/-3, /*step=*/2, /*has_sign_bit=*/false},
          {/*bits=*/4, /*levels=*/1, /*low=*/0, /*step=*/1, /*has_sign_bit=*/false}};
}

TEST(MasterWeight, AFloatOneIsTheTensorItself) {
  const auto weight = torch::randn({4, 3}).set_requires_grad(true);
  const MasterWeight source(weight);
  EXPECT_TRUE(source.is_float());
  EXPECT_EQ(source.value().data_ptr(), weight.data_ptr());
  EXPECT_EQ(source.bits(), 0);
  EXPECT_EQ(source.numel(), 12);
  EXPECT_FALSE(source.codes().has_value());
  EXPECT_EQ(source.quantizer(), nullptr);
  EXPECT_EQ(source.store().encoding, Encoding::kFloat);
}

TEST(MasterWeight, AMasterIsALeafOfItsOwn) {
  const auto q = torch::rand({3, 2});
  const MasterWeight source(q, std::make_unique<GridQuantizer>(sign_magnitude(3), torch::tensor(0.5F)));
  EXPECT_NE(source.tensor().data_ptr(), q.data_ptr());
  EXPECT_TRUE(source.tensor().is_leaf() && source.tensor().requires_grad());
  EXPECT_EQ(source.kind(), "frozen");
  EXPECT_EQ(source.bits(), 3);
}

TEST(MasterWeight, FreezingKeepsEveryValueOfEveryFormat) {
  torch::manual_seed(1);
  for (const auto type : kTypes) {
    for (const auto& shape : weight_shapes()) {
      for (const auto& format : formats()) {
        const auto codes = random_codes(shape, format, type);
        const auto frozen = make_frozen(codes);
        EXPECT_TRUE(torch::equal(value_in(*frozen), value_of(codes))) << format.bits << " bits";
        EXPECT_LE(frozen->tensor().abs().max().item<double>(), 1.0) << "one learning rate serves all grids";
        EXPECT_TRUE(torch::equal(frozen->codes()->integers, codes.integers));
        EXPECT_EQ(frozen->bits(), format.bits);
        EXPECT_TRUE(torch::equal(value_in(*make_float(*frozen)), value_of(codes)));
      }
    }
  }
}

TEST(MasterWeight, FreezingKeepsAScaleAChannel) {
  torch::manual_seed(2);
  for (const auto& format : formats()) {
    auto codes = random_codes({4, 3, 2, 2}, format, torch::kFloat32);
    codes.scale = torch::rand({4}).add_(0.1);
    const auto frozen = make_frozen(codes);
    EXPECT_TRUE(torch::equal(value_in(*frozen), value_of(codes)));
    EXPECT_EQ(frozen->slots()[1].tensor.sizes(), at::IntArrayRef({4}));
    const auto upstream = torch::randn({4, 3, 2, 2});
    frozen->value().backward(upstream);
    EXPECT_EQ(frozen->slots()[1].tensor.grad().sizes(), at::IntArrayRef({4}));
  }
}

TEST(MasterWeight, RefusesAZeroPoint) {
  auto codes = random_codes({4}, twos_complement(3), torch::kFloat32);
  codes.zero_point = torch::tensor(1, torch::kInt32);
  EXPECT_THROW(make_frozen(codes), std::invalid_argument);
}

// A q of zeros has 0 bits in its codes, and keeps its grid to train on.
TEST(MasterWeight, AllZeroCountsAsZeroBits) {
  const MasterWeight source(torch::full({3, 2}, 0.01F),
                            std::make_unique<GridQuantizer>(sign_magnitude(3), torch::tensor(0.7F)));
  EXPECT_EQ(source.bits(), 3);
  EXPECT_EQ(source.codes()->format.bits, 0);
  EXPECT_EQ(source.store().bits, 0);
  EXPECT_EQ(source.store().format, sign_magnitude(3));
}

TEST(MasterWeight, ZeroBitsHaveNothingToTrain) {
  Codes codes;
  codes.integers = torch::zeros({3, 2}, torch::kInt32);
  codes.scale = torch::tensor(0.7F);
  codes.format = sign_magnitude(0);
  const auto frozen = make_frozen(codes);
  EXPECT_EQ(frozen->bits(), 0);
  EXPECT_TRUE(torch::equal(value_in(*frozen), torch::zeros({3, 2})));
  for (const auto& slot : frozen->slots()) {
    EXPECT_FALSE(slot.tensor.requires_grad()) << slot.name;
  }
  EXPECT_TRUE(torch::equal(frozen->codes()->integers, codes.integers));
  EXPECT_EQ(frozen->codes()->scale.item<float>(), 0.7F);
}

TEST(MasterWeight, ZeroBitsRefuseValuesThatAreNotZero) {
  const auto make = [](const torch::Tensor& q) {
    MasterWeight source(q, std::make_unique<GridQuantizer>(sign_magnitude(0), torch::tensor(1.0F)));
  };
  EXPECT_NO_THROW(make(torch::zeros({2})));
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              make(torch::tensor({0.0F, 1e-30F}));
            }),
            "0 bits, and values that are not 0; expected zeros");
}

TEST(MasterWeight, GradientsAreStraightThrough) {
  torch::manual_seed(3);
  const auto q = torch::randn({6, 3}, torch::kFloat64);
  const auto scale = torch::tensor(0.3, torch::kFloat64);
  const MasterWeight source(q, std::make_unique<GridQuantizer>(sign_magnitude(4), scale));
  const auto upstream = torch::randn({6, 3}, torch::kFloat64);
  source.value().backward(upstream);
  EXPECT_TRUE(torch::allclose(source.tensor().grad(), upstream * scale)) << "beyond the grid's ends too";
  const auto rounded = round_to_grid(q, sign_magnitude(4));
  EXPECT_TRUE(torch::allclose(source.slots()[1].tensor.grad(), upstream.mul(rounded).sum()));
}

TEST(MasterWeight, SlotsHaveTheGridsLimits) {
  const auto slots_of = [](const CodeFormat& format) {
    return MasterWeight(torch::zeros({2}), std::make_unique<GridQuantizer>(format, torch::tensor(1.0F)))
        .slots();
  };
  const auto bsq = slots_of(sign_magnitude(3));
  ASSERT_EQ(bsq.size(), 2U);
  EXPECT_EQ(bsq[0].low, -1.0);
  EXPECT_EQ(bsq[0].high, 1.0);
  EXPECT_EQ(bsq[1].high, std::numeric_limits<double>::infinity()) << "the scale has none";
  const auto twos = slots_of(twos_complement(3));
  EXPECT_EQ(twos[0].low, -4.0);
  EXPECT_EQ(twos[0].high, 3.0);
  EXPECT_EQ(MasterWeight(torch::zeros({2})).slots()[0].high, std::numeric_limits<double>::infinity());
}

TEST(MasterWeight, StoredTensorsDoNotFollowTraining) {
  torch::manual_seed(4);
  for (const auto form : {Form::kFloat, Form::kFrozen}) {
    const auto source = random_source(form, {3, 2});
    const auto stored = source->store();
    const auto before = stored.value.clone();
    torch::NoGradGuard no_grad;
    source->slots()[0].tensor.mul_(0.5);
    EXPECT_TRUE(torch::equal(stored.value, before));
  }
}

TEST(MasterWeight, IsMadeOfItsStoredEntry) {
  torch::manual_seed(5);
  for (const auto type : kTypes) {
    for (const auto form : {Form::kFloat, Form::kFrozen}) {
      const auto source = random_source(form, {4, 3}, type);
      const auto made = make_weight_source(source->store(), type);
      EXPECT_EQ(made->kind(), source->kind());
      EXPECT_TRUE(same_stored(made->store(), source->store()));
      EXPECT_TRUE(made->slots()[0].tensor.requires_grad());
    }
  }
}

TEST(MasterWeight, IsMadeInTheTypeThatIsAskedFor) {
  const auto stored = random_source(Form::kFrozen, {4, 3})->store();
  for (const auto& slot : make_weight_source(stored, torch::kFloat64)->slots()) {
    EXPECT_EQ(slot.tensor.scalar_type(), torch::kFloat64) << slot.name;
  }
}

TEST(MasterWeight, AnUnknownKindIsRefused) {
  auto stored = random_source(Form::kFrozen, {4, 3})->store();
  stored.source = "nosuch";
  EXPECT_EQ(message_of<std::invalid_argument>([&] { make_weight_source(stored, torch::kFloat32); }),
            "weights of the kind 'nosuch'; this program knows none such");
}

TEST(MasterWeight, AFormatOutOfRangeIsRefused) {
  for (const int64_t bits : {-1, 17, 40}) {
    auto stored = random_source(Form::kFrozen, {4, 3})->store();
    stored.format.bits = bits;
    EXPECT_THROW(make_weight_source(stored, torch::kFloat32), std::invalid_argument) << bits;
  }
}

}  // namespace
}  // namespace bsq::test
