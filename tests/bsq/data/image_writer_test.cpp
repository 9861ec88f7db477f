#include "bsq/data/image_writer.h"

#include <torch/utils.h>

#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::same_bits;

// The formula, operation by operation, in float32 tensors.
torch::Tensor normalize_slowly(const torch::Tensor& image, const Normalization& normalization) {
  const auto channel = [](const std::array<float, 3>& values) {
    return torch::tensor({values[0], values[1], values[2]}, torch::kFloat32).view({3, 1, 1});
  };
  const torch::Tensor unit = image.to(torch::kFloat32) / torch::full({1}, 255.0F);
  return (unit - channel(normalization.mean)) / channel(normalization.std);
}

torch::Tensor place_slowly(const torch::Tensor& image, const Placement& placement) {
  const torch::Tensor bordered = torch::constant_pad_nd(image, {4, 4, 4, 4}, 0);
  const torch::Tensor crop =
      bordered.narrow(1, placement.top + 4, image.size(1)).narrow(2, placement.left + 4, image.size(2));
  return placement.flip ? crop.flip({2}) : crop;
}

torch::Tensor write_one(const torch::Tensor& image, const Placement& placement, torch::ScalarType type,
                        torch::MemoryFormat layout = torch::MemoryFormat::Contiguous) {
  const torch::Tensor batch =
      torch::full({3, 3, image.size(1), image.size(2)}, -7.0, type).contiguous(layout);
  ImageWriter(Normalization{}, type).write(image.data_ptr<uint8_t>(), placement, batch, 1);
  EXPECT_TRUE((batch[0] == -7.0).all().item<bool>() && (batch[2] == -7.0).all().item<bool>());
  return batch[1].contiguous();
}

TEST(ImageWriter, NormalizesEveryByteAsTheFormula) {
  const torch::Tensor image =
      torch::arange(256, torch::kUInt8).view({1, 16, 16}).expand({3, 16, 16}).contiguous();
  EXPECT_TRUE(
      same_bits(write_one(image, Placement{}, torch::kFloat32), normalize_slowly(image, Normalization{})));
}

TEST(ImageWriter, CropsAndMirrorsAsTheSlowReference) {
  torch::manual_seed(1);
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{32, 32}, {9, 14}, {3, 2}, {1, 1}}) {
    const torch::Tensor image = test::random_images(1, height, width).images[0];
    for (int64_t i = 0; i < 9 * 9 * 2; ++i) {
      const Placement placement{i / 18 - 4, i / 2 % 9 - 4, i % 2 == 1};
      const torch::Tensor expected = normalize_slowly(place_slowly(image, placement), Normalization{});
      ASSERT_TRUE(same_bits(write_one(image, placement, torch::kFloat32), expected))
          << height << " x " << width << ", top " << placement.top << ", left " << placement.left;
    }
  }
}

TEST(ImageWriter, EveryTypeAndLayoutHoldsTheConvertedFloats) {
  torch::manual_seed(2);
  const torch::Tensor image = test::random_images(1, 7, 5).images[0];
  const Placement placement{-3, 2, true};
  const torch::Tensor expected = normalize_slowly(place_slowly(image, placement), Normalization{});
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    for (const auto layout : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
      EXPECT_TRUE(same_bits(write_one(image, placement, type, layout), expected.to(type)));
    }
  }
}

TEST(ImageWriter, RefusesOtherTypes) {
  EXPECT_THROW(ImageWriter(Normalization{}, torch::kHalf), std::invalid_argument);
  EXPECT_THROW(ImageWriter(Normalization{}, torch::kInt64), std::invalid_argument);
}

TEST(RandomPlacement, ReachesEveryCropAndMirrorsHalf) {
  std::map<std::pair<int64_t, int64_t>, int> crops;
  int flips = 0;
  for (int64_t position = 0; position < 8100; ++position) {
    const Placement placement = random_placement(5, /*epoch=*/3, position);
    ++crops[{placement.top, placement.left}];
    flips += placement.flip ? 1 : 0;
  }
  EXPECT_EQ(crops.size(), 81U);
  EXPECT_EQ(crops.begin()->first, (std::pair<int64_t, int64_t>{-4, -4}));
  EXPECT_EQ(crops.rbegin()->first, (std::pair<int64_t, int64_t>{4, 4}));
  for (const auto& [crop, count] : crops) {
    EXPECT_GT(count, 50);
    EXPECT_LT(count, 160);
  }
  EXPECT_NEAR(flips, 4050, 200);
}

TEST(RandomPlacement, TakesAnotherBorder) {
  for (int64_t position = 0; position < 100; ++position) {
    const Placement placement = random_placement(5, /*epoch=*/3, position, /*border=*/1);
    EXPECT_LE(std::max(std::abs(placement.top), std::abs(placement.left)), 1);
    const Placement none = random_placement(5, /*epoch=*/3, position, /*border=*/0);
    EXPECT_EQ(std::make_pair(none.top, none.left), (std::pair<int64_t, int64_t>{0, 0}));
  }
}

TEST(RandomPlacement, DependsOnSeedEpochAndPosition) {
  const auto placements = [](uint64_t seed, int64_t epoch, int64_t first) {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < 50; ++i) {
      const Placement placement = random_placement(seed, epoch, first + i);
      all.push_back(placement.top * 100 + placement.left * 10 + (placement.flip ? 1 : 0));
    }
    return all;
  };
  EXPECT_EQ(placements(1, 2, 0), placements(1, 2, 0));
  EXPECT_NE(placements(1, 2, 0), placements(2, 2, 0));
  EXPECT_NE(placements(1, 2, 0), placements(1, 3, 0));
  EXPECT_NE(placements(1, 2, 0), placements(1, 2, 1));
}

}  // namespace
}  // namespace bsq
