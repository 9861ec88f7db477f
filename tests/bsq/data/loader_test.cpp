#include "bsq/data/loader.h"

#include <torch/utils.h>

#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::random_images;
using test::same_bits;

LoaderOptions shuffled_options(int64_t workers) {
  LoaderOptions options;
  options.batch_size = 7;
  options.shuffle = true;
  options.augment = true;
  options.workers = workers;
  return options;
}

std::vector<Batch> drain(BatchLoader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) {
    batches.push_back(std::move(*batch));
  }
  return batches;
}

std::vector<Batch> epoch_of(BatchLoader& loader, int64_t epoch, int64_t first_batch = 0) {
  loader.start(epoch, first_batch);
  return drain(loader);
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b, size_t skipped = 0) {
  ASSERT_EQ(a.size() + skipped, b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].index, static_cast<int64_t>(i + skipped));
    EXPECT_EQ(b[i + skipped].index, a[i].index);
    EXPECT_TRUE(same_bits(a[i].images, b[i + skipped].images)) << "batch " << a[i].index;
    EXPECT_TRUE(same_bits(a[i].labels, b[i + skipped].labels)) << "batch " << a[i].index;
  }
}

TEST(BatchLoader, TheNumberOfWorkersChangesNothing) {
  torch::manual_seed(1);
  const ImageDataset data = random_images(200, 8, 8);
  BatchLoader reference(data, shuffled_options(0));
  for (const int64_t workers : {1, 2, 5, 40}) {
    BatchLoader loader(data, shuffled_options(workers));
    for (const int64_t epoch : {0, 1}) {
      expect_same(epoch_of(loader, epoch), epoch_of(reference, epoch));
    }
  }
}

TEST(BatchLoader, EpochsDifferAndRepeat) {
  torch::manual_seed(2);
  BatchLoader loader(random_images(50, 8, 8), shuffled_options(2));
  const auto first = epoch_of(loader, 0);
  const auto second = epoch_of(loader, 1);
  EXPECT_FALSE(same_bits(first[0].images, second[0].images));
  expect_same(epoch_of(loader, 0), first);
}

TEST(BatchLoader, ResumesAtAnyBatch) {
  torch::manual_seed(3);
  const ImageDataset data = random_images(50, 8, 8);
  BatchLoader whole(data, shuffled_options(1));
  const auto batches = epoch_of(whole, 4);
  ASSERT_EQ(batches.size(), 8U);
  for (const int64_t workers : {0, 3}) {
    for (int64_t first = 0; first <= 8; ++first) {
      BatchLoader loader(data, shuffled_options(workers));
      expect_same(epoch_of(loader, 4, first), batches, static_cast<size_t>(first));
    }
  }
}

TEST(BatchLoader, GivesEveryImageOnce) {
  ImageDataset data = random_images(50, 1, 1);
  data.labels = torch::arange(50);
  data.classes = 50;
  BatchLoader loader(data, shuffled_options(2));
  std::vector<torch::Tensor> labels;
  for (const Batch& batch : epoch_of(loader, 0)) {
    labels.push_back(batch.labels);
  }
  EXPECT_TRUE(same_bits(std::get<0>(torch::cat(labels).sort()), torch::arange(50)));
}

TEST(BatchLoader, NothingComesAfterTheLastBatch) {
  for (const int64_t workers : {0, 1}) {
    LoaderOptions options = shuffled_options(workers);
    BatchLoader loader(random_images(8, 2, 2), options);
    EXPECT_EQ(epoch_of(loader, 0).size(), 2U);
    EXPECT_FALSE(loader.next().has_value());
    options.drop_last = true;
    BatchLoader full_only(random_images(6, 2, 2), options);
    EXPECT_EQ(full_only.batches(), 0);
    EXPECT_TRUE(epoch_of(full_only, 0).empty());
  }
}

TEST(BatchLoader, StartAbandonsWhatIsUnderWay) {
  torch::manual_seed(4);
  const ImageDataset data = random_images(300, 8, 8);
  BatchLoader reference(data, shuffled_options(0));
  const auto expected = epoch_of(reference, 9);
  BatchLoader loader(data, shuffled_options(3));
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    loader.start(epoch);
    for (int64_t i = 0; i < epoch % 4; ++i) {
      ASSERT_TRUE(loader.next().has_value());
    }
  }
  expect_same(epoch_of(loader, 9), expected);
}

TEST(BatchLoader, CanBeDestroyedAtAnyMoment) {
  const ImageDataset data = random_images(100, 8, 8);
  for (int64_t taken = 0; taken < 15; ++taken) {
    BatchLoader loader(data, shuffled_options(1 + taken % 4));
    loader.start(taken);
    for (int64_t i = 0; i < taken; ++i) {
      loader.next();
    }
  }
  BatchLoader never_started(data, shuffled_options(2));
}

TEST(BatchLoader, RethrowsAnErrorWhereItsBatchWouldCome) {
  for (const int64_t workers : {0, 1, 4}) {
    ImageDataset data = random_images(40, 2, 2);
    data.labels[17] = 10;  // in batch 2
    LoaderOptions options = shuffled_options(workers);
    options.shuffle = false;
    BatchLoader loader(data, options);
    loader.start(0);
    EXPECT_EQ(loader.next()->index, 0);
    EXPECT_EQ(loader.next()->index, 1);
    test::expect_error([&] { loader.next(); }, {"image 17", "label 10", "0 to 9"});
    EXPECT_THROW(loader.next(), Error);
    loader.start(0, /*first_batch=*/3);
    EXPECT_EQ(drain(loader).size(), 3U);
  }
}

TEST(BatchLoader, RefusesMisuse) {
  BatchLoader loader(random_images(14, 2, 2), shuffled_options(1));
  EXPECT_THROW(loader.next(), std::logic_error);
  EXPECT_THROW(loader.start(-1), std::invalid_argument);
  EXPECT_THROW(loader.start(0, -1), std::invalid_argument);
  EXPECT_THROW(loader.start(0, 3), std::invalid_argument);
  loader.start(0, 2);
  EXPECT_FALSE(loader.next().has_value());
}

TEST(BatchLoader, CountsItsWaitingInTheEpoch) {
  BatchLoader loader(random_images(64), shuffled_options(0));
  EXPECT_EQ(loader.wait_seconds(), 0);
  epoch_of(loader, 0);
  EXPECT_GT(loader.wait_seconds(), 0);
  loader.start(1);
  EXPECT_EQ(loader.wait_seconds(), 0);
}

}  // namespace
}  // namespace bsq
