#include "bsq/data/batch_maker.h"

#include <torch/utils.h>

#include <set>

#include "bsq/data/random.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::random_images;
using test::same_bits;

// The normalized and placed image, the slow way.
torch::Tensor make_slowly(const torch::Tensor& image, const Placement& placement) {
  const Normalization normalization;
  const auto channel = [](const std::array<float, 3>& values) {
    return torch::tensor({values[0], values[1], values[2]}, torch::kFloat32).view({3, 1, 1});
  };
  torch::Tensor crop = torch::constant_pad_nd(image, {4, 4, 4, 4}, 0)
                           .narrow(1, placement.top + 4, image.size(1))
                           .narrow(2, placement.left + 4, image.size(2));
  crop = placement.flip ? crop.flip({2}) : crop;
  return (crop.to(torch::kFloat32) / torch::full({1}, 255.0F) - channel(normalization.mean)) /
         channel(normalization.std);
}

TEST(BatchMaker, CountsBatches) {
  const ImageDataset data = random_images(10, 4, 4);
  const auto batches = [&](int64_t size, bool drop_last) {
    LoaderOptions options;
    options.batch_size = size;
    options.drop_last = drop_last;
    return BatchMaker(data, options).batches();
  };
  EXPECT_EQ(batches(5, false), 2);
  EXPECT_EQ(batches(5, true), 2);
  EXPECT_EQ(batches(4, false), 3);
  EXPECT_EQ(batches(4, true), 2);
  EXPECT_EQ(batches(11, false), 1);
  EXPECT_EQ(batches(11, true), 0);
  EXPECT_EQ(batches(INT64_MAX, false), 1);
}

TEST(BatchMaker, OrderFollowsFromSeedAndEpoch) {
  const ImageDataset data = random_images(100, 1, 1);
  const auto order = [&](uint64_t seed, bool shuffle, int64_t epoch, int64_t batch_size) {
    LoaderOptions options;
    options.seed = seed;
    options.shuffle = shuffle;
    options.batch_size = batch_size;
    return BatchMaker(data, options).order(epoch);
  };
  const auto shuffled = order(1, true, 0, 10);
  EXPECT_EQ(std::set<int64_t>(shuffled.begin(), shuffled.end()).size(), 100U);
  EXPECT_EQ(shuffled, order(1, true, 0, 7));
  EXPECT_NE(shuffled, order(1, true, 1, 10));
  EXPECT_NE(shuffled, order(2, true, 0, 10));
  const auto plain = order(1, false, 3, 10);
  EXPECT_TRUE(std::is_sorted(plain.begin(), plain.end()));
}

TEST(BatchMaker, AugmentsByThePositionInTheEpoch) {
  torch::manual_seed(3);
  const ImageDataset data = random_images(10, 6, 5);
  LoaderOptions options;
  options.batch_size = 4;
  options.shuffle = true;
  options.augment = true;
  const BatchMaker maker(data, options);
  const auto order = maker.order(/*epoch=*/7);
  for (int64_t index = 0; index < 3; ++index) {
    const Batch batch = maker.make(/*epoch=*/7, order, index);
    ASSERT_EQ(batch.images.size(0), index < 2 ? 4 : 2);
    EXPECT_EQ(batch.index, index);
    for (int64_t i = 0; i < batch.images.size(0); ++i) {
      const int64_t position = 4 * index + i;
      const int64_t image = order[static_cast<size_t>(position)];
      const Placement placement = random_placement(options.seed, 7, position);
      EXPECT_TRUE(same_bits(batch.images[i], make_slowly(data.images[image], placement)));
      EXPECT_EQ(batch.labels[i].item<int64_t>(), data.labels[image].item<int64_t>());
    }
  }
}

TEST(BatchMaker, TypesAndLayoutsAreConversionsOfTheFloats) {
  torch::manual_seed(4);
  const ImageDataset data = random_images(6, 8, 8);
  LoaderOptions options;
  options.batch_size = 6;
  options.augment = true;
  const auto images = [&] {
    const BatchMaker maker(data, options);
    return maker.make(/*epoch=*/0, maker.order(0), /*index=*/0).images;
  };
  const torch::Tensor expected = images();
  EXPECT_TRUE(expected.is_contiguous());
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    for (const auto layout : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
      options.type = type;
      options.layout = layout;
      EXPECT_TRUE(images().is_contiguous(layout));
      EXPECT_TRUE(same_bits(images(), expected.to(type)));
    }
  }
}

TEST(BatchMaker, TakesImagesThatAreNotContiguous) {
  torch::manual_seed(5);
  ImageDataset data = random_images(4, 3, 3);
  const torch::Tensor plain = BatchMaker(data, {}).make(0, {0, 1, 2, 3}, 0).images;
  data.images = data.images.contiguous(torch::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(same_bits(BatchMaker(data, {}).make(0, {0, 1, 2, 3}, 0).images, plain));
}

TEST(BatchMaker, RefusesIllFormedData) {
  const auto refused = [](const ImageDataset& data) {
    EXPECT_THROW(BatchMaker(data, LoaderOptions{}), std::invalid_argument);
  };
  const ImageDataset good = random_images(4, 3, 3);
  refused(ImageDataset{});
  refused(good.subset(0, 0));
  refused({good.images.to(torch::kFloat32), good.labels, 10});
  refused({good.images.slice(1, 0, 1), good.labels, 10});
  refused({good.images, good.labels.slice(0, 0, 3), 10});
  refused({good.images, good.labels.to(torch::kInt32), 10});
  refused({good.images, torch::Tensor(), 10});
  refused({good.images, good.labels, 0});
}

TEST(BatchMaker, RefusesOptionsOutOfRange) {
  const ImageDataset data = random_images(4, 3, 3);
  const auto refused = [&](auto change) {
    LoaderOptions options;
    change(options);
    EXPECT_THROW(BatchMaker(data, options), std::invalid_argument);
  };
  refused([](LoaderOptions& options) { options.batch_size = 0; });
  refused([](LoaderOptions& options) { options.workers = -1; });
  refused([](LoaderOptions& options) { options.type = torch::kHalf; });
  refused([](LoaderOptions& options) { options.layout = torch::MemoryFormat::Preserve; });
}

}  // namespace
}  // namespace bsq
