#include "bsq/data/cifar.h"

#include <filesystem>

#include "bsq/data/class_names.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;
using test::write_bytes;

constexpr int64_t kImageBytes = 3072;

// Records whose image bytes are all different functions of the label and the place.
std::string record(const std::string& labels) {
  std::string bytes = labels;
  for (int64_t i = 0; i < kImageBytes; ++i) {
    bytes += static_cast<char>(i * 7 + i / 256 + labels.back() * 31);
  }
  return bytes;
}

std::string records(std::initializer_list<int> labels) {
  std::string bytes;
  for (const int label : labels) {
    bytes += record(std::string(1, static_cast<char>(label)));
  }
  return bytes;
}

std::vector<int64_t> values(const torch::Tensor& labels) {
  return {labels.data_ptr<int64_t>(), labels.data_ptr<int64_t>() + labels.numel()};
}

void expect_record_bytes(const ImageDataset& data, int64_t index) {
  const auto label = static_cast<char>(data.labels[index].item<int64_t>());
  const std::string expected = record(std::string(1, label)).substr(1);
  const torch::Tensor image = data.images[index].contiguous();
  const uint8_t* const bytes = image.data_ptr<uint8_t>();
  EXPECT_EQ(std::string(bytes, bytes + image.numel()), expected) << "record " << index;
}

TEST(Cifar10, ReadsBatchesInTheOrderOfTheirNumbers) {
  const TemporaryFolder folder;
  write_bytes(folder.file("data_batch_10.bin"), records({9}));
  for (int batch = 3; batch < 10; ++batch) {
    write_bytes(folder.file("data_batch_" + std::to_string(batch) + ".bin"), records({1}));
  }
  write_bytes(folder.file("data_batch_2.bin"), records({4, 5, 6}));
  write_bytes(folder.file("data_batch_1.bin"), records({0, 3}));
  write_bytes(folder.file("data_batch_x.bin"), "not a batch");
  write_bytes(folder.file("test_batch.bin"), records({7}));
  const DatasetSplits splits = load_cifar10(folder.path().string());
  EXPECT_EQ(values(splits.train.labels), (std::vector<int64_t>{0, 3, 4, 5, 6, 1, 1, 1, 1, 1, 1, 1, 9}));
  EXPECT_EQ(values(splits.test.labels), (std::vector<int64_t>{7}));
  EXPECT_EQ(splits.train.images.sizes(), (std::vector<int64_t>{13, 3, 32, 32}));
  EXPECT_EQ(splits.train.images.scalar_type(), torch::kUInt8);
  EXPECT_TRUE(splits.train.images.is_contiguous());
  EXPECT_EQ(splits.train.classes, 10);
  for (int64_t i = 0; i < splits.train.size(); ++i) {
    expect_record_bytes(splits.train, i);
  }
  expect_record_bytes(splits.test, 0);
}

TEST(Cifar10, ReadsTheSubfolderOfTheArchive) {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("cifar-10-batches-bin"));
  write_bytes(folder.file("cifar-10-batches-bin/data_batch_1.bin"), records({1, 2}));
  write_bytes(folder.file("cifar-10-batches-bin/test_batch.bin"), records({7}));
  DatasetOptions options;
  options.folder = folder.path().string();
  EXPECT_EQ(load_dataset(options).train.size(), 2);
}

TEST(Cifar10, RefusesAMissingBatch) {
  const TemporaryFolder folder;
  for (const char* batch : {"1", "2", "4", "5"}) {
    write_bytes(folder.file(std::string("data_batch_") + batch + ".bin"), records({1}));
  }
  write_bytes(folder.file("test_batch.bin"), records({7}));
  expect_error([&] { load_cifar10(folder.path().string()); },
               {folder.file("data_batch_3.bin"), "missing, but data_batch_4.bin is there"});
}

TEST(Cifar10, ClassNamesAreTheFoldersOrTheUsualOnes) {
  const TemporaryFolder folder;
  write_bytes(folder.file("data_batch_1.bin"), records({1}));
  write_bytes(folder.file("test_batch.bin"), records({7}));
  const auto names = [&] { return load_cifar10(folder.path().string()).class_names; };
  EXPECT_EQ(names(), cifar10_class_names());
  EXPECT_EQ(names().at(3), "cat");
  EXPECT_EQ(cifar100_class_names().size(), 100U);
  write_bytes(folder.file("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  EXPECT_EQ(names().at(9), "j");
  write_bytes(folder.file("batches.meta.txt"), "a\nb\n");
  EXPECT_EQ(names(), cifar10_class_names()) << "a list of another length";
}

TEST(Cifar10, RefusesAnIncompleteRecord) {
  const TemporaryFolder folder;
  write_bytes(folder.file("data_batch_1.bin"), records({1, 2, 3}).substr(0, 2 * 3073 + 100));
  write_bytes(folder.file("test_batch.bin"), records({7}));
  const auto load = [&] { load_cifar10(folder.path().string()); };
  expect_error(load, {folder.file("data_batch_1.bin"), "record 2", "100", "3073"});
  write_bytes(folder.file("data_batch_1.bin"), "");
  expect_error(load, {folder.file("data_batch_1.bin"), "record 0", "3073"});
}

TEST(Cifar10, RefusesALabelOutOfRange) {
  const TemporaryFolder folder;
  write_bytes(folder.file("data_batch_1.bin"), records({1, 9}));
  write_bytes(folder.file("test_batch.bin"), records({7, 0, 10}));
  expect_error([&] { load_cifar10(folder.path().string()); },
               {folder.file("test_batch.bin"), "record 2", "label 10", "0 to 9"});
}

TEST(Cifar10, RefusesAnOversizedFile) {
  const TemporaryFolder folder;
  write_bytes(folder.file("data_batch_1.bin"), "");
  fs::resize_file(folder.file("data_batch_1.bin"), 1000001ULL * 3073);  // takes no disk space
  write_bytes(folder.file("test_batch.bin"), records({7}));
  expect_error([&] { load_cifar10(folder.path().string()); },
               {folder.file("data_batch_1.bin"), "3073003073", "1000000 records"});
}

TEST(Cifar10, NamesWhatIsMissing) {
  const TemporaryFolder folder;
  const auto load = [&] { load_cifar10(folder.path().string()); };
  expect_error([&] { load_cifar10(folder.file("nowhere")); }, {folder.file("nowhere"), "data_batch_1.bin"});
  expect_error(load, {folder.path().string(), "data_batch_1.bin"});
  write_bytes(folder.file("data_batch_1.bin"), records({1}));
  expect_error(load, {folder.file("test_batch.bin")});
  fs::create_directory(folder.file("test_batch.bin"));
  expect_error(load, {folder.file("test_batch.bin")});
}

TEST(Cifar100, ReadsTheFineLabel) {
  const TemporaryFolder folder;
  write_bytes(folder.file("train.bin"), record({19, 99}) + record({3, 42}));
  write_bytes(folder.file("test.bin"), record({0, 0}));
  const DatasetSplits splits = load_cifar100(folder.path().string());
  EXPECT_EQ(values(splits.train.labels), (std::vector<int64_t>{99, 42}));
  EXPECT_EQ(values(splits.test.labels), (std::vector<int64_t>{0}));
  EXPECT_EQ(splits.test.classes, 100);
  expect_record_bytes(splits.train, 0);
  expect_record_bytes(splits.train, 1);
}

TEST(Cifar100, RefusesDamagedAndMissingFiles) {
  const TemporaryFolder folder;
  const auto load = [&] { load_cifar100(folder.path().string()); };
  expect_error(load, {folder.file("train.bin"), "CIFAR-100"});
  write_bytes(folder.file("train.bin"), record({3, 42}));
  expect_error(load, {folder.file("test.bin"), "CIFAR-100"});
  write_bytes(folder.file("test.bin"), record({3, 42}) + record({3, 100}));
  expect_error(load, {folder.file("test.bin"), "record 1", "label 100", "0 to 99"});
  write_bytes(folder.file("test.bin"), record({3, 42}) + "x");
  expect_error(load, {folder.file("test.bin"), "record 1", "3074"});
}

}  // namespace
}  // namespace bsq
