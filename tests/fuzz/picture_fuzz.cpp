#include <vector>

#include "bsq/base/error.h"
#include "bsq/data/file_images.h"
#include "tests/fuzz/fuzz_file.h"

namespace {

constexpr bsq::ImageSize kSize{24, 32};
// Larger pictures have the same code; they would only cost time.
constexpr int64_t kMostPixels = int64_t{1} << 20;

// The whole picture, as data sets of one size take it, then as an image of a fixed size is made of it.
void decode(const std::string& path) {
  const bsq::ImageFile image(path);
  if (image.size().height * image.size().width > kMostPixels) {
    return;
  }
  const auto picture = image.decode();
  std::vector<uint8_t> planes(picture.pixels.size());
  bsq::write_planes(picture, planes.data());
}

void make_images(const std::string& path, uint64_t seed) {
  const auto pixels = bsq::image_size(path);
  if (pixels.height * pixels.width > kMostPixels) {
    return;
  }
  const bsq::FileImages images({path}, kSize, /*resize=*/32, /*is_strict=*/true);
  std::vector<uint8_t> planes(static_cast<size_t>(3 * kSize.height * kSize.width));
  images.decode(0, nullptr, planes.data());
  bsq::Random random(seed);
  images.decode(0, &random, planes.data());
}

}  // namespace

// JPEG and PNG pictures of an image folder, as a whole and in the parts that training and evaluation take.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  file.fill(data, bytes);
  const auto may_fail = [](const auto& run) {
    try {
      run();
    } catch (const bsq::Error& error) {
      bsq::fuzz::require_one_line(error.what());
    }
  };
  may_fail([] { decode(file.path()); });
  may_fail([&] { make_images(file.path(), bytes); });
  return 0;
}
