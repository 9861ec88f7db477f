#include "bsq/io/onnx/integer_weight.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/quant/codes.h"

namespace bsq::test {
namespace {

StoredTensor stored_codes(const CodeFormat& format, const torch::Tensor& scale) {
  StoredTensor stored;
  stored.encoding = Encoding::kCodes;
  stored.format = format;
  stored.bits = format.bits;
  stored.value = torch::randint(format.low, format.high() + 1, {4, 3, 3, 3}, torch::kInt32);
  stored.scale = scale;
  return stored;
}

torch::Tensor values_of(const StoredTensor& stored) {
  Codes codes;
  codes.integers = stored.value;
  codes.scale = stored.scale;
  codes.format = stored.format;
  return value_of(codes);
}

torch::Tensor values_of(const IntegerWeight& weight) {
  return weight.integers * along_channels(weight.scale, weight.integers);
}

TEST(IntegerWeight, KeepsEveryValueWithPositiveScales) {
  const auto scale = torch::tensor({0.5F, -0.25F, 2.0F, 0.0F});
  const auto stored = stored_codes(sign_magnitude(4), scale);
  const auto weight = integer_weight("w", stored);
  EXPECT_TRUE(torch::allclose(values_of(weight), values_of(stored), 1e-6, 0));
  EXPECT_TRUE(weight.scale.gt(0).all().item<bool>());
  const auto one = stored_codes(sign_magnitude(4), torch::tensor(-0.5F));
  EXPECT_TRUE(torch::allclose(values_of(integer_weight("w", one)), values_of(one), 1e-6, 0));
}

TEST(IntegerWeight, AScaleStaysNegativeWhereTheTurnedIntegersLeaveTheGrid) {
  auto stored = stored_codes(twos_complement(8), torch::tensor(-0.5F));
  stored.value[0][0][0][0] = -128;
  const auto weight = integer_weight("w", stored);
  EXPECT_EQ(weight.lowest(), -128);
  EXPECT_TRUE(torch::equal(values_of(weight), values_of(stored)));
}

TEST(IntegerWeight, WideningFillsTheLimitAndKeepsValues) {
  for (const int64_t limit : {64, 127}) {
    const auto weight = integer_weight("w", stored_codes(sign_magnitude(3), torch::rand({4}) + 0.1));
    const auto wide = widened(weight, limit);
    EXPECT_TRUE(torch::equal(values_of(wide), values_of(weight)));
    EXPECT_LE(wide.highest(), limit);
    EXPECT_GT(2 * std::max(wide.highest(), -wide.lowest()), limit);
  }
}

TEST(IntegerWeight, AnOffsetIsRefusedByName) {
  auto stored = stored_codes(twos_complement(4), torch::tensor(0.5F));
  stored.offset = torch::tensor(0.1F);
  try {
    integer_weight("conv1.weight", stored);
    FAIL() << "not refused";
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()).rfind("conv1.weight: ", 0), 0U) << error.what();
  }
}

}  // namespace
}  // namespace bsq::test
