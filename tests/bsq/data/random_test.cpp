#include "bsq/data/random.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bsq {
namespace {

TEST(Random, IsSplitmix64) {
  Random random(1234567);  // the published reference sequence
  EXPECT_EQ(random.next(), 6457827717110365317ULL);
  EXPECT_EQ(random.next(), 3203168211198807973ULL);
  EXPECT_EQ(random.next(), 9817491932198370423ULL);
}

TEST(Random, StreamsOfAnotherSeedPurposeOrCounterDiffer) {
  const auto first = [](Random random) { return random.next(); };
  const uint64_t stream = first(Random(1, RandomPurpose::kShuffle, 2, 3));
  EXPECT_EQ(stream, first(Random(1, RandomPurpose::kShuffle, 2, 3)));
  EXPECT_NE(stream, first(Random(2, RandomPurpose::kShuffle, 2, 3)));
  EXPECT_NE(stream, first(Random(1, RandomPurpose::kPlacement, 2, 3)));
  EXPECT_NE(stream, first(Random(1, RandomPurpose::kShuffle, 3, 2)));
}

TEST(Random, BelowIsInRangeAndEven) {
  Random random(7);
  std::vector<int> counts(9);
  for (int i = 0; i < 90000; ++i) {
    const int64_t number = random.below(9);
    ASSERT_GE(number, 0);
    ASSERT_LT(number, 9);
    ++counts[static_cast<size_t>(number)];
  }
  EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 9500);
  EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 10500);
  EXPECT_EQ(random.below(1), 0);
}

TEST(Random, BetweenReachesBothEnds) {
  Random random(7);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 200; ++i) {
    const int64_t number = random.between(-2, 2);
    ASSERT_LE(std::abs(number), 2);
    low = low || number == -2;
    high = high || number == 2;
  }
  EXPECT_TRUE(low && high);
}

TEST(Random, PermutationHoldsEveryNumberOnce) {
  auto order = random_permutation(1000, Random(3));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order, random_permutation(1000, Random(3)));
  EXPECT_NE(order, random_permutation(1000, Random(4)));
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i) {
    ASSERT_EQ(order[i], static_cast<int64_t>(i));
  }
  EXPECT_TRUE(random_permutation(0, Random(3)).empty());
}

}  // namespace
}  // namespace bsq
