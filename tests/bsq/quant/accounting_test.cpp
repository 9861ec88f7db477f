#include "bsq/quant/accounting.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bsq::test {
namespace {

TEST(Accounting, CountsByHand) {
  const auto sizes = count_sizes({{100, 3}, {10, 8}, {50, 0}}, /*float_elements=*/20);
  EXPECT_EQ(sizes.weights, 160);
  EXPECT_EQ(sizes.bits_total, 100 * 3 + 10 * 8);
  EXPECT_EQ(sizes.stored_bits, 100 * 4 + 32 + 10 * 9 + 32 + 20 * 32);
  EXPECT_EQ(sizes.float32_bits, 32 * (160 + 20));
  EXPECT_DOUBLE_EQ(sizes.comp(), 32.0 * 160 / 380);
  EXPECT_DOUBLE_EQ(sizes.comp_stored(), 5760.0 / 1194);
}

TEST(Accounting, ZeroBitsAreFree) {
  const auto with = count_sizes({{100, 3}, {50, 0}}, /*float_elements=*/0);
  const auto without = count_sizes({{100, 3}}, /*float_elements=*/0);
  EXPECT_EQ(with.stored_bits, without.stored_bits);
  EXPECT_EQ(with.bits_total, without.bits_total);
  EXPECT_EQ(with.weights, without.weights + 50);
}

TEST(Accounting, UniformWidthCompressesBy32OverIt) {
  for (int64_t bits = 1; bits <= 16; ++bits) {
    EXPECT_DOUBLE_EQ(count_sizes({{432, bits}, {2304, bits}, {10, bits}}, 0).comp(),
                     32.0 / static_cast<double>(bits));
  }
}

TEST(Accounting, NoBitsAtAllGiveInfinity) {
  EXPECT_TRUE(std::isinf(count_sizes({{10, 0}}, /*float_elements=*/0).comp()));
}

}  // namespace
}  // namespace bsq::test
