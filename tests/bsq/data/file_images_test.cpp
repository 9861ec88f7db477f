#include "bsq/data/file_images.h"

#include <torch/utils.h>

#include <cmath>
#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/data/image_folder.h"
#include "bsq/data/loader.h"
// Its functions are in image_folder_test.cpp.
#include <stb/stb_image_write.h>

#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::same_bits;
using test::TemporaryFolder;

// A smooth picture, as photographs are.
torch::Tensor waves(int64_t height, int64_t width, double phase) {
  const auto y = torch::arange(height, torch::kFloat64).div(17).unsqueeze(1).unsqueeze(2);
  const auto x = torch::arange(width, torch::kFloat64).div(11).unsqueeze(0).unsqueeze(2);
  const auto channel = torch::arange(3, torch::kFloat64);
  return (y + x * (channel + 1) + phase).sin().mul(100).add(128).to(torch::kUInt8).contiguous();
}

// Up to a quality of 90 the colours have half the size.
void write_jpeg(const std::string& path, const torch::Tensor& pixels, int quality = 95) {
  fs::create_directories(fs::path(path).parent_path());
  ASSERT_NE(0, stbi_write_jpg(path.c_str(), static_cast<int>(pixels.size(1)),
                              static_cast<int>(pixels.size(0)), 3, pixels.data_ptr<uint8_t>(), quality));
}

torch::Tensor tensor_of(const Picture& picture) {
  return torch::tensor(at::ArrayRef<uint8_t>(picture.pixels))
      .view({picture.size.height, picture.size.width, 3});
}

TEST(ImageFile, APartOfAJpegIsThatOfTheWhole) {
  const TemporaryFolder folder;
  write_jpeg(folder.file("a.jpg"), waves(203, 305, 0), /*quality=*/90);
  const ImageFile file(folder.file("a.jpg"));
  const auto whole = tensor_of(file.decode());
  for (const Box& box :
       {Box{0, 0, 50, 60}, Box{70, 130, 40, 33}, Box{150, 280, 53, 25}, Box{10.5, 0, 180.25, 305}}) {
    const auto picture = file.decode(box, {203, 305});
    EXPECT_EQ(picture.scale, 1);
    EXPECT_LE(picture.left, box.left);
    EXPECT_GE(static_cast<double>(picture.left + picture.size.width), box.left + box.width);
    const auto part = tensor_of(picture);
    const int64_t top = std::lround(std::floor(box.top)), left = std::lround(std::floor(box.left));
    const int64_t height = std::lround(box.height), width = std::lround(box.width);
    EXPECT_TRUE(torch::equal(part.narrow(0, top - picture.top, height).narrow(1, left - picture.left, width),
                             whole.narrow(0, top, height).narrow(1, left, width)));
  }
}

TEST(ImageFile, LargeJpegsAreDecodedSmaller) {
  const TemporaryFolder folder;
  const auto pixels = waves(400, 640, 1);
  write_jpeg(folder.file("a.jpg"), pixels);
  const ImageFile file(folder.file("a.jpg"));
  for (const auto& [least, scale] :
       {std::pair<int64_t, double>{50, 0.125}, {51, 0.25}, {101, 0.5}, {201, 1.0}}) {
    const auto picture = file.decode({0, 0, 400, 640}, {least, least});
    EXPECT_EQ(picture.scale, scale);
    EXPECT_EQ(picture.size, (ImageSize{std::lround(400 * scale), std::lround(640 * scale)}));
  }
  // The same image within a few levels, whether it was decoded smaller or not.
  const auto large = torch::empty({3, 48, 48}, torch::kUInt8),
             small = torch::empty({3, 48, 48}, torch::kUInt8);
  const FileImages images({folder.file("a.jpg")}, {48, 48}, 55, /*is_strict=*/true);
  ASSERT_TRUE(images.decode(0, nullptr, small.data_ptr<uint8_t>()));
  stbi_write_png(folder.file("a.png").c_str(), 640, 400, 3, pixels.data_ptr<uint8_t>(), 640 * 3);
  const FileImages exact({folder.file("a.png")}, {48, 48}, 55, /*is_strict=*/true);
  ASSERT_TRUE(exact.decode(0, nullptr, large.data_ptr<uint8_t>()));
  EXPECT_LT((small.to(torch::kFloat32) - large.to(torch::kFloat32)).abs().mean().item<double>(), 1.5);
}

TEST(RandomCrop, HasTheAreasAndShapesOfTorchvision) {
  double area = 0, most = 0, least = 1;
  for (uint64_t i = 0; i < 2000; ++i) {
    Random random(i);
    const auto box = random_crop({375, 500}, random);
    EXPECT_GE(box.top, 0);
    EXPECT_GE(box.left, 0);
    EXPECT_LE(box.top + box.height, 375);
    EXPECT_LE(box.left + box.width, 500);
    EXPECT_NEAR(std::log(box.width / box.height), 0, std::log(4.0 / 3) + 0.02);
    const double part = box.height * box.width / (375 * 500);
    area += part / 2000;
    most = std::max(most, part);
    least = std::min(least, part);
  }
  EXPECT_NEAR(area, 0.43, 0.01) << "torchvision: 0.435 of 5,000 draws";
  EXPECT_GT(most, 0.9);
  EXPECT_NEAR(least, 0.08, 0.01);
  Random random(1);
  const auto strip = random_crop({10, 1000}, random);  // no draw fits, or a small one does
  EXPECT_LE(strip.width, 14);
}

TEST(CenterCrop, IsTorchvisionsResizeAndCrop) {
  const auto box = center_crop({375, 500}, 256, {224, 224});  // resized to 256 x 341
  EXPECT_DOUBLE_EQ(box.top, 16.0 * 375 / 256);
  EXPECT_DOUBLE_EQ(box.left, 58.0 * 500 / 341);  // 58.5, to even
  EXPECT_DOUBLE_EQ(box.height, 224.0 * 375 / 256);
  EXPECT_DOUBLE_EQ(box.width, 224.0 * 500 / 341);
}

// Two classes of pictures of several sizes; one file of each split is damaged.
struct PictureFolder : TemporaryFolder {
  PictureFolder() {
    for (int64_t i = 0; i < 12; ++i) {
      const auto name = (i % 2 == 0 ? "a/" : "b/") + std::to_string(100 + i) + ".jpg";
      write_jpeg(file("train/" + name), waves(40 + 3 * i, 70 - 2 * i, static_cast<double>(i)));
      write_jpeg(file("val/" + name), waves(50 + i, 60, static_cast<double>(i)));
    }
    test::write_bytes(file("val/b/101.jpg"), test::read_bytes(file("val/b/103.jpg")).substr(0, 900));
  }
  DatasetSplits load(bool is_strict = false) const {
    FolderOptions options;
    options.image_size = 32;
    options.is_strict = is_strict;
    return load_image_folder(path().string(), options);
  }
};

std::vector<Batch> batches_of(const ImageDataset& data, bool is_training, int64_t workers,
                              int64_t first = 0) {
  LoaderOptions options;
  options.batch_size = 5;
  options.shuffle = options.augment = is_training;
  options.workers = workers;
  BatchLoader loader(data, options);
  loader.start(/*epoch=*/3, first);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) {
    batches.push_back(std::move(*batch));
  }
  return batches;
}

TEST(FileImages, BatchesAreTheSameWithAnyWorkersAndFromAnyPlace) {
  const PictureFolder folder;
  const auto data = folder.load().train;
  EXPECT_EQ(data.size(), 12);
  const auto once = batches_of(data, /*is_training=*/true, /*workers=*/0);
  ASSERT_EQ(once.size(), 3U);
  EXPECT_EQ(once[0].images.sizes(), at::IntArrayRef({5, 3, 32, 32}));
  const auto again = batches_of(data, /*is_training=*/true, /*workers=*/3);
  const auto resumed = batches_of(data, /*is_training=*/true, /*workers=*/1, /*first=*/2);
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_TRUE(same_bits(once[i].images, again[i].images) && same_bits(once[i].labels, again[i].labels));
  }
  EXPECT_TRUE(same_bits(once[2].images, resumed[0].images));
  const auto plain = batches_of(data, /*is_training=*/false, /*workers=*/0);
  EXPECT_FALSE(same_bits(once[0].images, plain[0].images));
}

TEST(FileImages, DamagedFilesAreLeftOutOfTheirBatchNamedOnceAndCounted) {
  const PictureFolder folder;
  const auto data = folder.load().test;
  const auto batches = batches_of(data, /*is_training=*/false, /*workers=*/2);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[1].images.size(0), 4) << "a: 6 images, the second batch has the first two of b";
  EXPECT_EQ(batches[1].labels.size(0), 4);
  const auto lines = data.files->take_damage();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].find("left out: " + folder.file("val/b/101.jpg")), 0U) << lines[0];
  EXPECT_EQ(lines[1].find("1 of 12 images"), 0U) << lines[1];
  batches_of(data, /*is_training=*/false, /*workers=*/0);
  EXPECT_TRUE(data.files->take_damage().empty());
  expect_error([&] { batches_of(folder.load(/*is_strict=*/true).test, /*is_training=*/false, 2); },
               {folder.file("val/b/101.jpg")});
}

TEST(FileImages, BatchesWithoutAWholeImageArePassedOver) {
  const PictureFolder folder;
  const auto data = folder.load().test;  // row 6 is damaged
  const auto with = [&](const std::vector<int64_t>& rows) {
    return data.subset(torch::tensor(rows, torch::kInt64));
  };
  for (const int64_t workers : {0, 2}) {
    const auto batches = batches_of(with({6, 6, 6, 6, 6, 0, 1, 6, 6, 2, 6}), /*is_training=*/false, workers);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(batches[0].index, 1);
    EXPECT_EQ(batches[0].labels.size(0), 3);
  }
  expect_error(
      [&] {
        batches_of(with({6, 6}), /*is_training=*/false, /*workers=*/1);
      },
      {"all batches are damaged"});
}

TEST(FileImages, SubsetsShareTheFiles) {
  const PictureFolder folder;
  const auto data = folder.load().train;
  const auto some = data.subset(torch::tensor({7, 2}, torch::kInt64));
  EXPECT_EQ(some.size(), 2);
  EXPECT_EQ(some.files, data.files);
  const auto all = batches_of(data, /*is_training=*/false, /*workers=*/0);
  const auto batch = batches_of(some, /*is_training=*/false, /*workers=*/0)[0];
  EXPECT_TRUE(same_bits(batch.images[0], all[1].images[2]) && same_bits(batch.images[1], all[0].images[2]));
  EXPECT_TRUE(same_bits(data.subset(2, 3).rows, torch::tensor({2, 3, 4}, torch::kInt64)));
}

TEST(FileImages, RefusesSizesOutOfRange) {
  EXPECT_THROW(FileImages({}, {0, 8}, 8, false), std::invalid_argument);
  EXPECT_THROW(FileImages({}, {8, 8}, 7, false), std::invalid_argument);
  EXPECT_THROW(FileImages({}, {8, 8}, 100000, false), std::invalid_argument);
}

}  // namespace
}  // namespace bsq
