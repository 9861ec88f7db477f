#include "bsq/data/image_folder.h"

#include <filesystem>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

#include "bsq/base/error.h"
#include "bsq/data/image_file.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::same_bits;
using test::TemporaryFolder;
using test::write_bytes;

// Pixels (H, W, channels) as a PNG file.
void write_png(const std::string& path, const torch::Tensor& pixels) {
  const torch::Tensor data = pixels.contiguous();
  const int width = static_cast<int>(data.size(1));
  const int channels = static_cast<int>(data.size(2));
  ASSERT_NE(0, stbi_write_png(path.c_str(), width, static_cast<int>(data.size(0)), channels,
                              data.data_ptr<uint8_t>(), width * channels));
}

torch::Tensor random_pixels(int64_t height, int64_t width, int64_t channels = 3) {
  return torch::randint(0, 256, {height, width, channels}, torch::kUInt8);
}

torch::Tensor decode(const std::string& path, ImageSize size) {
  const torch::Tensor planes = torch::empty({3, size.height, size.width}, torch::kUInt8);
  decode_image(path, size, planes.data_ptr<uint8_t>());
  return planes;
}

// train and test with the classes cat and dog: two and one images of 5 x 4 pixels in train, one each in test.
struct Folder : TemporaryFolder {
  Folder() {
    for (const char* name :
         {"train/cat/b.png", "train/cat/a.PNG", "train/dog/c.png", "test/cat/d.png", "test/dog/e.png"}) {
      fs::create_directories((path() / name).parent_path());
      images[name] = random_pixels(5, 4);
      write_png(file(name), images[name]);
    }
  }
  DatasetSplits load() const { return load_image_folder(path().string()); }
  torch::Tensor planes(const std::string& name) const { return images.at(name).permute({2, 0, 1}); }

  std::map<std::string, torch::Tensor> images;
};

TEST(ImageFolder, LoadsSortedClassesAndFiles) {
  const Folder folder;
  write_bytes(folder.file("train/cat/notes.txt"), "passed over");
  fs::create_directory(folder.file("train/.hidden"));
  const DatasetSplits splits = folder.load();
  EXPECT_EQ(splits.train.classes, 2);
  EXPECT_TRUE(same_bits(splits.train.labels, torch::tensor({0, 0, 1}, torch::kInt64)));
  EXPECT_TRUE(same_bits(splits.test.labels, torch::tensor({0, 1}, torch::kInt64)));
  EXPECT_TRUE(same_bits(splits.train.images,
                        torch::stack({folder.planes("train/cat/a.PNG"), folder.planes("train/cat/b.png"),
                                      folder.planes("train/dog/c.png")})));
  EXPECT_TRUE(same_bits(splits.test.images[1], folder.planes("test/dog/e.png")));
}

TEST(ImageFolder, TakesSubfoldersInTheOrderOfTorchvision) {
  const Folder folder;
  for (const char* name : {"train/cat/0/z.png", "train/cat/0/1/y.png", "train/cat/x/w.png"}) {
    fs::create_directories(fs::path(folder.file(name)).parent_path());
    fs::copy_file(folder.file("train/cat/b.png"), folder.file(name));
  }
  fs::create_directory_symlink(folder.file("train/cat"), folder.file("train/cat/0/back"));
  fs::create_directory_symlink(folder.file("train/dog"), folder.file("train/cat/other"));
  const DatasetSplits splits = folder.load();
  // cat: a, b, 0/z, 0/1/y, other/c, x/w.
  const auto a = folder.planes("train/cat/a.PNG");
  const auto b = folder.planes("train/cat/b.png");
  const auto c = folder.planes("train/dog/c.png");
  EXPECT_TRUE(same_bits(splits.train.images, torch::stack({a, b, b, b, c, b, c})));
  EXPECT_TRUE(same_bits(splits.train.labels, torch::tensor({0, 0, 0, 0, 0, 0, 1}, torch::kInt64)));
  EXPECT_EQ(splits.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_TRUE(splits.notes.empty());
}

TEST(ImageFolder, CountsWhatIsLeftOut) {
  const Folder folder;
  write_bytes(folder.file("train/cat/x0.bmp"), "BM");
  write_bytes(folder.file("train/cat/x1.BMP"), "BM");
  write_bytes(folder.file("train/dog/y.webp"), "RIFF");
  write_bytes(folder.file("train/dog/README"), "");
  fs::create_symlink(folder.file("nothing.png"), folder.file("train/dog/z.png"));
  const DatasetSplits splits = folder.load();
  EXPECT_EQ(splits.train.size(), 3);
  EXPECT_EQ(splits.notes,
            std::vector<std::string>{folder.file("train") +
                                     ": 5 files are left out: 2 .bmp, 1 .webp, 1 that cannot be opened, "
                                     "1 without an extension"});
}

TEST(ImageFile, ChecksumsOfPngFilesCount) {
  const Folder folder;
  const auto file = folder.file("train/cat/b.png");
  const auto bytes = test::read_bytes(file);
  // Behind the signature and the head's length.
  for (size_t i = 12; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    write_bytes(file, changed);
    EXPECT_THROW(decode(file, {5, 4}), Error) << "byte " << i << " of " << bytes.size();
  }
}

TEST(ImageFile, ReadsEveryKindOfPng) {
  const TemporaryFolder folder;
  for (const int64_t channels : {1, 2, 3, 4}) {
    const auto pixels = random_pixels(5, 4, channels);
    write_png(folder.file("a.png"), pixels);
    const auto colours = channels < 3 ? pixels.narrow(2, 0, 1).expand({5, 4, 3}) : pixels.narrow(2, 0, 3);
    EXPECT_TRUE(same_bits(decode(folder.file("a.png"), {5, 4}), colours.permute({2, 0, 1}).contiguous()))
        << channels;
  }
}

TEST(ImageFolder, TakesValForTest) {
  const Folder folder;
  fs::rename(folder.file("test"), folder.file("val"));
  DatasetOptions options;
  options.dataset = "imagefolder";
  options.folder = folder.path().string();
  EXPECT_EQ(load_dataset(options).test.size(), 2);
}

TEST(ImageFolder, LoadsManyImagesInParallel) {
  const Folder folder;
  std::vector<torch::Tensor> planes;
  for (int i = 100; i < 200; ++i) {
    const torch::Tensor pixels = random_pixels(5, 4);
    write_png(folder.file("test/dog/f" + std::to_string(i) + ".png"), pixels);
    planes.push_back(pixels.permute({2, 0, 1}));
  }
  EXPECT_TRUE(same_bits(folder.load().test.images.slice(0, 2), torch::stack(planes)));
}

TEST(ImageFolder, RefusesImagesOfAnotherSize) {
  const Folder folder;
  write_png(folder.file("test/dog/e.png"), random_pixels(4, 5));
  expect_error([&] { folder.load(); }, {folder.file("test/dog/e.png"), "4 x 5", "5 x 4"});
}

TEST(ImageFolder, NamesAndCountsDamagedImages) {
  const Folder folder;
  write_bytes(folder.file("train/cat/a.PNG"), "no image");
  const auto whole = test::read_bytes(folder.file("test/dog/e.png"));
  write_bytes(folder.file("test/dog/e.png"), whole.substr(0, whole.size() - 20));
  const DatasetSplits splits = folder.load();
  EXPECT_TRUE(same_bits(splits.train.images,
                        torch::stack({folder.planes("train/cat/b.png"), folder.planes("train/dog/c.png")})));
  EXPECT_EQ(splits.test.size(), 1);
  ASSERT_EQ(splits.notes.size(), 4U);
  EXPECT_EQ(splits.notes[0].find("left out: " + folder.file("train/cat/a.PNG")), 0U) << splits.notes[0];
  EXPECT_EQ(splits.notes[3].find(folder.file("test") + ": 1 damaged image is left out"), 0U);
  FolderOptions strict;
  strict.is_strict = true;
  expect_error([&] { load_image_folder(folder.path().string(), strict); }, {folder.file("train/cat/a.PNG")});
  write_bytes(folder.file("train/cat/b.png"), "");
  write_bytes(folder.file("train/dog/c.png"), "");
  expect_error([&] { folder.load(); }, {folder.file("train/dog/c.png")});
}

TEST(ImageFolder, RefusesSplitsOfDifferentClasses) {
  const Folder folder;
  fs::rename(folder.file("test/dog"), folder.file("test/fox"));
  expect_error([&] { folder.load(); }, {folder.file("test/dog"), folder.file("train")});
  fs::rename(folder.file("test/fox"), folder.file("test/ant"));
  expect_error([&] { folder.load(); }, {folder.file("train/ant"), folder.file("test")});
}

TEST(ImageFolder, NamesWhatIsMissing) {
  const Folder folder;
  expect_error([&] { load_image_folder(folder.file("nowhere")); }, {folder.file("nowhere"), "train/CLASS"});
  fs::remove(folder.file("test/dog/e.png"));
  expect_error([&] { folder.load(); }, {folder.file("test/dog"), "no images"});
  fs::remove_all(folder.file("test"));
  expect_error([&] { folder.load(); }, {folder.file("test"), "no such folder"});
  fs::remove_all(folder.file("train/cat"));
  fs::remove_all(folder.file("train/dog"));
  expect_error([&] { folder.load(); }, {folder.file("train"), "no classes"});
}

TEST(ImageFile, RepeatsGrayAndDropsTransparency) {
  const TemporaryFolder folder;
  const torch::Tensor gray = random_pixels(3, 6, 1);
  write_png(folder.file("gray.png"), gray);
  EXPECT_TRUE(same_bits(decode(folder.file("gray.png"), {3, 6}), gray.permute({2, 0, 1}).expand({3, 3, 6})));
  const torch::Tensor clear = random_pixels(3, 6, 4);
  write_png(folder.file("clear.png"), clear);
  EXPECT_TRUE(same_bits(decode(folder.file("clear.png"), {3, 6}), clear.slice(2, 0, 3).permute({2, 0, 1})));
}

TEST(ImageFile, DecodesJpeg) {
  const TemporaryFolder folder;
  const torch::Tensor colors = torch::tensor({200, 90, 30}, torch::kUInt8);
  const torch::Tensor pixels = colors.expand({16, 24, 3}).contiguous();
  const std::string path = folder.file("flat.jpg");
  ASSERT_NE(0, stbi_write_jpg(path.c_str(), 24, 16, 3, pixels.data_ptr<uint8_t>(), /*quality=*/95));
  EXPECT_EQ(image_size(path), (ImageSize{16, 24}));
  const torch::Tensor difference =
      decode(path, {16, 24}).to(torch::kInt32) - colors.view({3, 1, 1}).to(torch::kInt32);
  EXPECT_LE(difference.abs().max().item<int>(), 4);
}

TEST(ImageFile, RefusesWhatIsNoImage) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.png");
  const auto size = [&] { image_size(path); };
  expect_error(size, {path, "cannot be read"});
  write_bytes(path, "");
  expect_error(size, {path, "JPEG or PNG"});
  write_bytes(path, "GIF89a, or so it says");
  expect_error(size, {path, "JPEG or PNG"});
  fs::resize_file(path, (64ULL << 20) + 1);
  expect_error(size, {path, "67108865", "67108864"});
}

TEST(ImageFile, RefusesADamagedImage) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.png");
  write_png(path, random_pixels(20, 20));
  const std::string bytes = test::read_bytes(path);
  for (const size_t length : {size_t{40}, size_t{100}, bytes.size() / 2}) {
    write_bytes(path, bytes.substr(0, length));
    expect_error([&] { decode(path, {20, 20}); }, {path, "JPEG or PNG"});
  }
}

TEST(ImageFile, RefusesAnImageThatIsTooLarge) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.png");
  write_png(path, random_pixels(1, 16384));
  EXPECT_EQ(image_size(path), (ImageSize{1, 16384}));
  write_png(path, random_pixels(1, 16385));
  expect_error([&] { image_size(path); }, {path, "16384"});
}

}  // namespace
}  // namespace bsq
