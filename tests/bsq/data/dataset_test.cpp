#include "bsq/data/dataset.h"

#include "bsq/data/synthetic.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::same_bits;

DatasetOptions synthetic_options(int64_t validation, uint64_t seed = 1234) {
  DatasetOptions options;
  options.dataset = "synthetic";
  options.validation = validation;
  options.seed = seed;
  return options;
}

// Where the images of `part`, in their order, stand in `whole`; the images of the synthetic set all differ.
std::vector<int64_t> positions(const ImageDataset& part, const ImageDataset& whole) {
  const auto key = [](const torch::Tensor& image) {
    return std::string(image.data_ptr<uint8_t>(), image.data_ptr<uint8_t>() + image.numel());
  };
  std::map<std::string, int64_t> known;
  for (int64_t i = 0; i < whole.size(); ++i) {
    known[key(whole.images[i])] = i;
  }
  std::vector<int64_t> found;
  for (int64_t i = 0; i < part.size(); ++i) {
    found.push_back(known.at(key(part.images[i])));
    EXPECT_EQ(part.labels[i].item<int64_t>(), whole.labels[found.back()].item<int64_t>());
  }
  return found;
}

TEST(ImageDataset, SubsetOfARange) {
  const ImageDataset data = test::random_images(10);
  const ImageDataset part = data.subset(3, 4);
  EXPECT_EQ(part.size(), 4);
  EXPECT_EQ(part.classes, 10);
  EXPECT_TRUE(same_bits(part.images, data.images.slice(0, 3, 7)));
  EXPECT_TRUE(same_bits(part.labels, data.labels.slice(0, 3, 7)));
  EXPECT_EQ(data.subset(10, 0).size(), 0);
  EXPECT_THROW(data.subset(7, 4), std::invalid_argument);
  EXPECT_THROW(data.subset(-1, 2), std::invalid_argument);
  EXPECT_THROW(data.subset(1, -1), std::invalid_argument);
  EXPECT_THROW(data.subset(2, INT64_MAX), std::invalid_argument);
  EXPECT_THROW(data.subset(11, 0), std::invalid_argument);
}

TEST(ImageDataset, SubsetOfIndices) {
  const ImageDataset data = test::random_images(10);
  const auto indices = torch::tensor({7, 0, 7}, torch::kInt64);
  const ImageDataset part = data.subset(indices);
  EXPECT_TRUE(same_bits(part.images, data.images.index_select(0, indices)));
  EXPECT_TRUE(same_bits(part.labels, data.labels.index_select(0, indices)));
  EXPECT_THROW(data.subset(torch::tensor({10}, torch::kInt64)), std::invalid_argument);
  EXPECT_THROW(data.subset(torch::tensor({-1}, torch::kInt64)), std::invalid_argument);
  EXPECT_THROW(data.subset(torch::tensor({1.0F})), std::invalid_argument);
}

TEST(ImageDataset, EmptyHasNoImages) {
  EXPECT_EQ(ImageDataset{}.size(), 0);
  EXPECT_EQ(ImageDataset{}.subset(0, 0).size(), 0);
  EXPECT_THROW(ImageDataset{}.subset(0, 1), std::invalid_argument);
}

TEST(LoadDataset, HoldsOutDisjointImagesInFileOrder) {
  const DatasetSplits whole = load_dataset(synthetic_options(0));
  EXPECT_EQ(whole.validation.size(), 0);
  const DatasetSplits splits = load_dataset(synthetic_options(500));
  ASSERT_EQ(splits.train.size(), 4500);
  ASSERT_EQ(splits.validation.size(), 500);
  EXPECT_EQ(splits.validation.classes, 10);
  EXPECT_TRUE(same_bits(splits.test.images, whole.test.images));
  auto all = positions(splits.train, whole.train);
  const auto held_out = positions(splits.validation, whole.train);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(std::is_sorted(held_out.begin(), held_out.end()));
  EXPECT_NE(held_out.back() - held_out.front(), 499);
  all.insert(all.end(), held_out.begin(), held_out.end());
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 5000U);
}

TEST(LoadDataset, TheSeedChoosesTheHeldOutImages) {
  const auto held_out = [](uint64_t seed) {
    return load_dataset(synthetic_options(20, seed)).validation.images;
  };
  EXPECT_TRUE(same_bits(held_out(1), held_out(1)));
  EXPECT_FALSE(same_bits(held_out(1), held_out(2)));
}

TEST(LoadDataset, RefusesAValidationCountOutOfRange) {
  EXPECT_EQ(load_dataset(synthetic_options(kSyntheticTrainImages - 1)).train.size(), 1);
  EXPECT_THROW(load_dataset(synthetic_options(kSyntheticTrainImages)), std::invalid_argument);
  EXPECT_THROW(load_dataset(synthetic_options(-1)), std::invalid_argument);
}

TEST(LoadDataset, RefusesAnUnknownNameAndALeftOutFolder) {
  DatasetOptions options;
  EXPECT_THROW(load_dataset(options), std::invalid_argument);
  options.dataset = "mnist";
  options.folder = "somewhere";
  EXPECT_THROW(load_dataset(options), std::invalid_argument);
}

TEST(LoadDataset, NormalizesAsPublished) {
  const Normalization normalization = load_dataset(synthetic_options(0)).normalization;
  EXPECT_EQ(normalization.mean, (std::array<float, 3>{0.4914F, 0.4822F, 0.4465F}));
  EXPECT_EQ(normalization.std, (std::array<float, 3>{0.2023F, 0.1994F, 0.2010F}));
}

}  // namespace
}  // namespace bsq
