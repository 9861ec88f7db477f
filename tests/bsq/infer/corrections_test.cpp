#include "bsq/infer/corrections.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace bsq::test {
namespace {

constexpr int64_t kRun = 24, kTaps = 3, kNumbers = kRun * kTaps, kBlocks = 2;

// Packed as bytes are: mostly within int8, one of `rarity` anywhere up to `most`.
std::vector<int16_t> weights_with_outliers(int rarity, int most) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> small(-127, 127), large(-most, most), which(1, rarity);
  std::vector<int16_t> packed(kBlocks * infer::kBlock * kNumbers);
  std::generate(packed.begin(), packed.end(),
                [&] { return static_cast<int16_t>(which(random) == 1 ? large(random) : small(random)); });
  return packed;
}

constexpr infer::Costs kCosts = {/*sums_in_32_bits=*/false, /*quad=*/22, /*flush=*/24, /*correction=*/18,
                                 /*pair=*/22};
constexpr infer::Costs kCostsIn32Bits = {/*sums_in_32_bits=*/true, /*quad=*/9, /*flush=*/12,
                                         /*correction=*/18, /*pair=*/9};

size_t place_of(int64_t block, int64_t output, int64_t k) {
  return static_cast<size_t>(block * infer::kBlock * kNumbers + (k / 4 * infer::kBlock + output) * 4 + k % 4);
}

TEST(Corrections, GiveBackEveryWeight) {
  for (const int most : {127, 255, 2000}) {
    SCOPED_TRACE(most);
    const auto packed = weights_with_outliers(/*rarity=*/20, most);
    const auto split = infer::split_weights(packed, kNumbers, kRun, /*high=*/15, kCosts);
    std::vector<int32_t> sums(split.bytes.begin(), split.bytes.end());
    const auto& all = split.corrections;
    for (int64_t block = 0; block < kBlocks; ++block) {
      for (int64_t i = all.first[static_cast<size_t>(block)]; i < all.first[static_cast<size_t>(block) + 1];
           ++i) {
        const int64_t begin = all.offsets[static_cast<size_t>(i)];
        for (int64_t pick = 0; pick < infer::kBlock * infer::kPicks; ++pick) {
          const auto at = static_cast<size_t>(i * infer::kBlock * infer::kPicks + pick);
          const int64_t k = begin + all.places[at];
          ASSERT_EQ(k / kRun, begin / kRun) << "a window beyond its run";
          sums[place_of(block, pick / infer::kPicks, k)] += all.weights[at];
        }
      }
    }
    EXPECT_TRUE(std::equal(packed.begin(), packed.end(), sums.begin(), sums.end()));
    EXPECT_EQ(all.offsets.empty(), most == 127);
  }
}

// 9 quads fit in the first block, and 4 do not: their spans lie elsewhere.
TEST(Corrections, APeriodIsExactInEveryBlock) {
  constexpr int64_t kQuads = 36;
  const auto place = [](int64_t block, int64_t quad) {
    return static_cast<size_t>((block * kQuads + quad) * infer::kBlock * 4);
  };
  std::vector<int16_t> packed(2 * kQuads * infer::kBlock * 4);
  packed[place(0, 8)] = packed[place(0, 9)] = 100;
  packed[place(1, 0)] = packed[place(1, 4)] = 100;
  const auto split =
      infer::split_weights(packed, /*numbers=*/4 * kQuads, /*run=*/4 * kQuads, /*high=*/255, kCosts);
  EXPECT_EQ(split.period, 1);
}

TEST(Corrections, PayWhereTheyAreFew) {
  EXPECT_TRUE(infer::split_weights(weights_with_outliers(100, 255), kNumbers, kRun, 15, kCosts).is_faster);
  EXPECT_FALSE(infer::split_weights(weights_with_outliers(1, 255), kNumbers, kRun, 15, kCosts).is_faster);
  EXPECT_FALSE(infer::split_weights(weights_with_outliers(100, 255), kNumbers, kRun, 255, kCosts).is_faster);
}

// Two products of 127 and 255 are beyond 16 bits; in 32 there is room.
TEST(Corrections, BytesThatAreSummedIn32BitsNeedNoPeriod) {
  const auto bytes = weights_with_outliers(1, 127);
  EXPECT_FALSE(infer::split_weights(bytes, kNumbers, kRun, 255, kCosts).is_faster);
  EXPECT_TRUE(infer::split_weights(bytes, kNumbers, kRun, 255, kCostsIn32Bits).is_faster);
}

}  // namespace
}  // namespace bsq::test
