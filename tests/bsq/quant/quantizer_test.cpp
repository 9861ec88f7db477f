#include "bsq/quant/quantizer.h"

#include <torch/utils.h>

#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {
namespace {

TEST(GridQuantizer, RoundsAndScales) {
  torch::manual_seed(1);
  for (const auto& format : {sign_magnitude(3), twos_complement(4)}) {
    const GridQuantizer quantizer(format, torch::tensor(0.3F));
    const auto q = torch::randn({5, 4});
    EXPECT_TRUE(torch::equal(quantizer.forward(q).detach(), round_to_grid(q, format) * 0.3F));
    EXPECT_EQ(quantizer.format(), format);
  }
}

TEST(GridQuantizer, CodesAreItsValues) {
  torch::manual_seed(2);
  for (const auto& format : {sign_magnitude(1), sign_magnitude(16), twos_complement(4)}) {
    for (const auto& scale : {torch::tensor(0.3F), torch::rand({5}).add_(0.1)}) {
      const GridQuantizer quantizer(format, scale);
      const auto q = torch::randn({5, 4});
      EXPECT_TRUE(torch::equal(value_of(quantizer.codes(q)), quantizer.forward(q).detach()));
    }
  }
}

TEST(GridQuantizer, OwnsItsScale) {
  const auto scale = torch::tensor(0.3F);
  const GridQuantizer quantizer(sign_magnitude(3), scale);
  ASSERT_EQ(quantizer.slots().size(), 1U);
  const auto slot = quantizer.slots()[0];
  EXPECT_EQ(slot.name, "scale");
  EXPECT_EQ(slot.role, Slot::Role::kTrained);
  EXPECT_FALSE(slot.may_be_absent);
  EXPECT_TRUE(slot.tensor.requires_grad());
  EXPECT_NE(slot.tensor.data_ptr(), scale.data_ptr());
}

TEST(GridQuantizer, TheMasterIsHeldToTheGrid) {
  const auto limits_of = [](const CodeFormat& format) {
    return GridQuantizer(format, torch::tensor(1.0F)).limits();
  };
  EXPECT_EQ(limits_of(sign_magnitude(3)).low, -1.0);
  EXPECT_EQ(limits_of(sign_magnitude(3)).high, 1.0);
  EXPECT_EQ(limits_of(twos_complement(3)).low, -4.0);
  EXPECT_EQ(limits_of(twos_complement(3)).high, 3.0);
  EXPECT_TRUE(limits_of(sign_magnitude(1)).is_trained);
  EXPECT_FALSE(limits_of(sign_magnitude(0)).is_trained);
}

TEST(GridQuantizer, ZeroBitsGiveWhatTheyGet) {
  const GridQuantizer quantizer(sign_magnitude(0), torch::tensor(0.3F));
  const auto zeros = torch::zeros({3});
  EXPECT_TRUE(torch::equal(quantizer.forward(zeros), zeros));
  EXPECT_FALSE(quantizer.forward(zeros).requires_grad());
  EXPECT_FALSE(quantizer.slots()[0].tensor.requires_grad());
  EXPECT_EQ(quantizer.codes(zeros).format.bits, 0);
}

TEST(GridQuantizer, AScaleAChannelGetsAGradientAChannel) {
  torch::manual_seed(3);
  const GridQuantizer quantizer(twos_complement(3), torch::rand({4}, torch::kFloat64).add_(0.1));
  const auto q = torch::randn({4, 2, 3}, torch::kFloat64);
  const auto upstream = torch::randn({4, 2, 3}, torch::kFloat64);
  quantizer.forward(q).backward(upstream);
  const auto expected = upstream.mul(round_to_grid(q, twos_complement(3))).sum({1, 2});
  EXPECT_TRUE(torch::allclose(quantizer.slots()[0].tensor.grad(), expected));
}

TEST(GridQuantizer, CloneIsIndependent) {
  const GridQuantizer quantizer(sign_magnitude(3), torch::tensor(0.3F));
  const auto copy = quantizer.clone();
  torch::NoGradGuard no_grad;
  quantizer.slots()[0].tensor.fill_(5);
  EXPECT_EQ(copy->slots()[0].tensor.item<float>(), 0.3F);
  EXPECT_EQ(copy->format(), sign_magnitude(3));
  EXPECT_EQ(copy->kind(), quantizer.kind());
}

TEST(GridQuantizer, RefusesAnImpossibleFormat) {
  EXPECT_THROW(GridQuantizer(sign_magnitude(17), torch::tensor(1.0F)), std::invalid_argument);
  EXPECT_THROW(GridQuantizer({3, 0, 0, 1, false}, torch::tensor(1.0F)), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
