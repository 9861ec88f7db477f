#include "tests/torture/tiny_images.h"

#include <filesystem>
#include <fstream>
#include <random>

#include "bsq/base/error.h"

namespace bsq::torture {
namespace {

constexpr int kClasses = 10;
constexpr int kImageBytes = 3 * 32 * 32;
constexpr int kTraining = 60;
constexpr int kTest = 20;

void write_records(const std::string& path, int count, unsigned seed) {
  std::mt19937 random(seed);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  for (int i = 0; i < count; ++i) {
    const int label = i % kClasses;
    out.put(static_cast<char>(label));
    for (int at = 0; at < kImageBytes; ++at) {
      out.put(static_cast<char>(20 * label + static_cast<int>(random() % 60)));
    }
  }
  if (!out.flush()) {
    throw Error("cannot write " + path);
  }
}

}  // namespace

void write_tiny_images(const std::string& folder) {
  std::filesystem::create_directories(folder);
  write_records(folder + "/data_batch_1.bin", kTraining, /*seed=*/1);
  write_records(folder + "/test_batch.bin", kTest, /*seed=*/2);
}

}  // namespace bsq::torture
