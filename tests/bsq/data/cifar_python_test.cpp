#include "bsq/data/cifar_python.h"

#include <torch/utils.h>

#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/data/cifar.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

using test::expect_error;
using test::write_bytes;
using namespace std::string_literals;

constexpr int64_t kPixels = 3072;

std::string four_bytes(size_t number) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    text += static_cast<char>(number >> (8 * i) & 255);
  }
  return text;
}

std::string short_text(const std::string& text) { return "U"s + static_cast<char>(text.size()) + text; }

// Opcode by opcode as Python 2 wrote the published files; `bytes` as Python 3 writes them: opcode 'B'.
std::string array_of(const std::string& pixels, int64_t rows, bool is_python3 = false) {
  const auto module = is_python3 ? "numpy._core.multiarray"s : "numpy.core.multiarray"s;
  return "c"s + module + "\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1K"s + static_cast<char>(rows) +
         "M\0\x0c\x86"s +
         "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"s +
         (is_python3 ? "B" : "T") + four_bytes(pixels.size()) + pixels + "tb";
}

std::string list_of(const std::vector<int>& labels) {
  std::string text = "](";
  for (const int label : labels) {
    text += "K"s + static_cast<char>(label);
  }
  return text + "e";
}

std::string batch_of(const std::string& array, const std::string& label_key, const std::vector<int>& labels) {
  return "\x80\2}("s + short_text("batch_label") + short_text("batch 1 of 5") + short_text("data") + array +
         short_text(label_key) + list_of(labels) + "u.";
}

std::string names_of(const std::string& key, int64_t count) {
  std::string text = "\x80\2}("s + short_text(key) + "](";
  for (int64_t i = 0; i < count; ++i) {
    text += short_text("name " + std::to_string(i));
  }
  return text + "eu.";
}

std::string pixels_of(int64_t images) {
  std::string pixels(static_cast<size_t>(images * kPixels), '\0');
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<char>(i % 251);
  }
  return pixels;
}

TEST(CifarPython, ReadsBothDataSets) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("cifar-10-batches-py"));
  const auto in10 = [&](const std::string& name) { return folder.file("cifar-10-batches-py/" + name); };
  write_bytes(in10("data_batch_1"), batch_of(array_of(pixels_of(2), 2), "labels", {3, 9}));
  write_bytes(in10("data_batch_2"), batch_of(array_of(pixels_of(1), 1, /*is_python3=*/true), "labels", {0}));
  write_bytes(in10("test_batch"), batch_of(array_of(pixels_of(1), 1), "labels", {7}));
  write_bytes(in10("batches.meta"), names_of("label_names", 10));
  const auto splits = load_cifar10(folder.path().string());
  EXPECT_TRUE(torch::equal(splits.train.labels, torch::tensor({3, 9, 0}, torch::kInt64)));
  EXPECT_TRUE(torch::equal(splits.test.labels, torch::tensor({7}, torch::kInt64)));
  EXPECT_EQ(splits.class_names[9], "name 9");
  const auto bytes = torch::arange(2 * kPixels, torch::kInt64).remainder(251).to(torch::kUInt8);
  EXPECT_TRUE(torch::equal(splits.train.images.slice(0, 0, 2), bytes.view({2, 3, 32, 32})));

  const test::TemporaryFolder hundred;
  write_bytes(hundred.file("train"), batch_of(array_of(pixels_of(2), 2), "fine_labels", {99, 0}));
  write_bytes(hundred.file("test"), batch_of(array_of(pixels_of(1), 1), "fine_labels", {50}));
  write_bytes(hundred.file("meta"), names_of("fine_label_names", 100));
  const auto fine = load_cifar100(hundred.path().string());
  EXPECT_EQ(fine.train.classes, 100);
  EXPECT_TRUE(torch::equal(fine.train.labels, torch::tensor({99, 0}, torch::kInt64)));
}

TEST(CifarPython, RefusesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  const auto file = folder.file("data_batch_1");
  const auto read = [&] { read_cifar_batch(file, "labels", 10); };
  expect_error(read, {file, "no such file"});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"no pickle", "pickle"},
      {"\x80\2](K\1e."s, "expected a dict"},
      {batch_of(array_of(pixels_of(1), 1), "labels", {10}), "label 10"},
      {batch_of(array_of(pixels_of(1), 1), "labels", {1, 2}), "2 labels of 1 images"},
      {batch_of(array_of(pixels_of(2), 1), "labels", {1, 2}), "6144 bytes"},
      {batch_of(array_of(pixels_of(1), 1), "fine_labels", {1}), "'labels' is missing"},
      {batch_of("K\1", "labels", {1}), "'data' is an integer"},
      {batch_of("cos\nsystem\nU\4true\x85R", "labels", {1}), "'data' is an object of os.system"},
      {batch_of(array_of(pixels_of(1), 1), "labels", {1}).substr(0, 900), "cut short"}};
  for (const auto& [bytes, words] : cases) {
    write_bytes(file, bytes);
    expect_error(read, {file, words});
  }
}

}  // namespace
}  // namespace bsq
