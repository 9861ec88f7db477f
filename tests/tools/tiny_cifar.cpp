#include "tests/tools/tiny_cifar.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr int kSide = 32;

// Red, green and blue rows: one of three colours at one of twelve places over dark noise.
std::string image_of(int label, std::mt19937& random) {
  const int x = 5 + 7 * (label % 4);
  const int y = 6 + 9 * (label / 4 % 3);
  std::string image;
  for (int at = 0; at < 3 * kSide * kSide; ++at) {
    const int row = at / kSide % kSide;
    const int column = at % kSide;
    const bool is_blob =
        at / (kSide * kSide) == label % 3 && std::abs(row - y) < 6 && std::abs(column - x) < 6;
    image.push_back(static_cast<char>(random() % 60 + (is_blob ? 180 : 0)));
  }
  return image;
}

std::string records(int count, int classes, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const int label = i % classes;
    bytes += classes == 100 ? std::string(1, static_cast<char>(label / 5)) : "";
    bytes += static_cast<char>(label) + image_of(label, random);
  }
  return bytes;
}

}  // namespace

void write_tiny_cifar10(const std::string& folder) {
  std::filesystem::create_directories(folder);
  write_bytes(folder + "/data_batch_1.bin", records(kTinyTraining, /*classes=*/10, /*seed=*/1));
  write_bytes(folder + "/test_batch.bin", records(kTinyTest, /*classes=*/10, /*seed=*/2));
}

void write_tiny_cifar100(const std::string& folder) {
  std::filesystem::create_directories(folder);
  write_bytes(folder + "/train.bin", records(kTinyTraining, /*classes=*/100, /*seed=*/1));
  write_bytes(folder + "/test.bin", records(kTinyTest, /*classes=*/100, /*seed=*/2));
}

}  // namespace bsq::test
