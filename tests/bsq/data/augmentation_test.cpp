#include "bsq/data/augmentation.h"

#include <torch/utils.h>

#include "bsq/data/batch_maker.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::same_bits;

torch::Tensor random_batch(torch::ScalarType type, torch::MemoryFormat layout) {
  return torch::rand({5, 3, 6, 7}).add(1).to(type).contiguous(layout);
}

TEST(Cutout, LeavesOutOneSquareOfOneImage) {
  torch::manual_seed(1);
  Random random(3);
  std::set<int64_t> counts;
  for (const auto layout : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    for (int draw = 0; draw < 200; ++draw) {
      const auto batch = random_batch(torch::kFloat32, layout), before = batch.clone();
      cut_out(batch, 2, /*side=*/4, random);
      const auto zero = (batch[2] == 0).to(torch::kInt64);
      counts.insert(zero[0].sum().item<int64_t>());
      const auto rows = zero[0].amax(1), columns = zero[0].amax(0);
      EXPECT_TRUE(torch::equal(zero, rows.unsqueeze(1).mul(columns).expand({3, 6, 7})));
      EXPECT_TRUE(same_bits(torch::where(zero.to(torch::kBool), before[2], batch[2]), before[2]));
      EXPECT_TRUE(same_bits(batch[1], before[1]) && same_bits(batch[3], before[3]));
    }
  }
  EXPECT_EQ(*counts.begin(), 4) << "a corner: 2 x 2 of 4 x 4";
  EXPECT_EQ(*counts.rbegin(), 16);
}

TEST(RandomBeta, HasItsMeanAndVariance) {
  for (const double alpha : {0.2, 1.0, 4.0}) {
    Random random(7);
    double sum = 0, squares = 0;
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) {
      const double x = random_beta(alpha, random);
      ASSERT_TRUE(x >= 0 && x <= 1);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    EXPECT_NEAR(mean, 0.5, 0.015) << alpha;
    EXPECT_NEAR(variance, 1 / (4 * (2 * alpha + 1)), 0.006) << alpha;
  }
}

TEST(MixUp, BlendsEachImageWithItsPartner) {
  torch::manual_seed(2);
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    for (const auto layout : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
      Random random(11);
      const auto batch = random_batch(type, layout), before = batch.clone();
      const auto mix = mix_up(batch, /*alpha=*/1, random);
      const auto partners = before.index_select(0, torch::tensor(mix.partners, torch::kInt64));
      const auto expected =
          before.to(torch::kFloat64) * (1 - mix.weight) + partners.to(torch::kFloat64) * mix.weight;
      EXPECT_TRUE(
          torch::allclose(batch.to(torch::kFloat64), expected, type == torch::kBFloat16 ? 5e-3 : 1e-6));
      EXPECT_GT(mix.weight, 0);
    }
  }
}

TEST(CutMix, PastesARectangleOfTheWeight) {
  torch::manual_seed(3);
  Random random(12);
  for (int draw = 0; draw < 100; ++draw) {
    const auto batch = random_batch(torch::kFloat32, torch::MemoryFormat::ChannelsLast);
    const auto before = batch.clone();
    const auto mix = cut_mix(batch, /*alpha=*/1, random);
    const auto partners = before.index_select(0, torch::tensor(mix.partners, torch::kInt64));
    EXPECT_TRUE(((batch == before) | (batch == partners)).all().item<bool>());
    for (int64_t i = 0; i < 5; ++i) {
      if (mix.partners[static_cast<size_t>(i)] != i) {
        const auto pasted = (batch[i] != before[i]).to(torch::kFloat64).mean().item<double>();
        EXPECT_NEAR(pasted, mix.weight, 1e-12);
      }
    }
  }
}

TEST(BatchMaker, MixesByTheBatchAlone) {
  torch::manual_seed(4);
  const auto data = test::random_images(20, 8, 8);
  LoaderOptions options;
  options.batch_size = 10;
  options.shuffle = options.augment = true;
  const BatchMaker plain(data, options);
  options.mixup = 0.4;
  options.cutmix = 1;
  options.cutout = 3;
  const BatchMaker maker(data, options), again(data, options);
  const auto order = maker.order(2);
  const auto batch = maker.make(2, order, 1);
  EXPECT_FALSE(plain.make(2, order, 1).other_labels.defined());
  EXPECT_FALSE(same_bits(plain.make(2, order, 1).images, batch.images));
  again.make(2, order, 0);
  const auto same = again.make(2, order, 1);
  EXPECT_TRUE(same_bits(same.images, batch.images));
  EXPECT_TRUE(same_bits(same.other_labels, batch.other_labels));
  EXPECT_EQ(same.other_weight, batch.other_weight);
  EXPECT_TRUE(torch::equal(std::get<0>(batch.labels.sort()), std::get<0>(batch.other_labels.sort())));
  options.augment = false;
  EXPECT_FALSE(BatchMaker(data, options).make(2, order, 1).other_labels.defined());
}

}  // namespace
}  // namespace bsq
