#include "bsq/quant/accounting.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bsq::test {
namespace {

TensorBits tensor(int64_t weights, int64_t bits) {
  TensorBits tensor;
  tensor.weights = weights;
  tensor.bits = bits;
  return tensor;
}

TEST(Accounting, CountsByHand) {
  const auto sizes = count_sizes({tensor(100, 3), tensor(10, 8), tensor(50, 0)}, /*float_elements=*/20);
  EXPECT_EQ(sizes.weights, 160);
  EXPECT_EQ(sizes.bits_total, 100 * 3 + 10 * 8);
  EXPECT_EQ(sizes.stored_bits, 100 * 4 + 32 + 10 * 9 + 32 + 20 * 32);
  EXPECT_EQ(sizes.float32_bits, 32 * (160 + 20));
  EXPECT_DOUBLE_EQ(sizes.comp(), 32.0 * 160 / 380);
  EXPECT_DOUBLE_EQ(sizes.comp_stored(), 5760.0 / 1194);
}

TEST(Accounting, ZeroBitsAreFree) {
  const auto with = count_sizes({tensor(100, 3), tensor(50, 0)}, /*float_elements=*/0);
  const auto without = count_sizes({tensor(100, 3)}, /*float_elements=*/0);
  EXPECT_EQ(with.stored_bits, without.stored_bits);
  EXPECT_EQ(with.bits_total, without.bits_total);
  EXPECT_EQ(with.weights, without.weights + 50);
}

TEST(Accounting, UniformWidthCompressesBy32OverIt) {
  for (int64_t bits = 1; bits <= 16; ++bits) {
    EXPECT_DOUBLE_EQ(count_sizes({tensor(432, bits), tensor(2304, bits), tensor(10, bits)}, 0).comp(),
                     32.0 / static_cast<double>(bits));
  }
}

TEST(Accounting, FormatsWithoutASignBitAndAScaleAChannel) {
  auto codes = tensor(100, 3);
  codes.has_sign_bit = false;
  codes.scales = 10;
  EXPECT_EQ(count_sizes({codes}, /*float_elements=*/0).stored_bits, 100 * 3 + 10 * 32);
  EXPECT_EQ(count_sizes({codes}, /*float_elements=*/0).bits_total, 300);
}

TEST(Accounting, WithoutATensorNothingIsCompressed) {
  const auto sizes = count_sizes({}, /*float_elements=*/20);
  EXPECT_EQ(sizes.comp(), 1.0);
  EXPECT_EQ(sizes.comp_stored(), 1.0);
  EXPECT_EQ(sizes.float_elements, 20);
  EXPECT_EQ(count_sizes({}, /*float_elements=*/0).comp_stored(), 1.0);
}

TEST(Accounting, NoBitsAtAllGiveInfinity) {
  EXPECT_TRUE(std::isinf(count_sizes({tensor(10, 0)}, /*float_elements=*/0).comp()));
}

}  // namespace
}  // namespace bsq::test
