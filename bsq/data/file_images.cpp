#include "bsq/data/file_images.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/data/resample.h"

namespace bsq {
namespace {

constexpr double kSmallestPart = 0.08;
constexpr double kWidestShape = 4.0 / 3.0;
constexpr int kDraws = 10;
constexpr int64_t kLargestSide = 4096;

// The largest part in the middle whose shape is in the range.
Box middle_of(ImageSize picture) {
  const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
  const double rows = std::round(std::min(height, width * kWidestShape));
  const double columns = std::round(std::min(width, height * kWidestShape));
  return {std::floor((height - rows) / 2), std::floor((width - columns) / 2), rows, columns};
}

}  // namespace

Box random_crop(ImageSize picture, Random& random) {
  const auto area = static_cast<double>(picture.height) * static_cast<double>(picture.width);
  for (int draw = 0; draw < kDraws; ++draw) {
    const double part = area * (kSmallestPart + (1 - kSmallestPart) * random.unit());
    const double shape = std::pow(kWidestShape, 2 * random.unit() - 1);
    const auto width = std::llround(std::sqrt(part * shape));
    const auto height = std::llround(std::sqrt(part / shape));
    if (width >= 1 && width <= picture.width && height >= 1 && height <= picture.height) {
      const auto top = random.between(0, picture.height - height);
      const auto left = random.between(0, picture.width - width);
      return {static_cast<double>(top), static_cast<double>(left), static_cast<double>(height),
              static_cast<double>(width)};
    }
  }
  return middle_of(picture);
}

Box center_crop(ImageSize picture, int64_t resize, ImageSize size) {
  const auto shorter = std::min(picture.height, picture.width);
  const auto resized = [&](int64_t side) { return resize * side / shorter; };
  const auto down = static_cast<double>(picture.height) / static_cast<double>(resized(picture.height));
  const auto across = static_cast<double>(picture.width) / static_cast<double>(resized(picture.width));
  const auto begin = [](int64_t whole, int64_t part) {
    return std::nearbyint(static_cast<double>(whole - part) / 2);
  };
  return {begin(resized(picture.height), size.height) * down,
          begin(resized(picture.width), size.width) * across, static_cast<double>(size.height) * down,
          static_cast<double>(size.width) * across};
}

FileImages::FileImages(std::vector<std::string> paths, ImageSize size, int64_t resize, bool is_strict)
    : paths_(std::move(paths)), size_(size), resize_(resize), is_strict_(is_strict) {
  const auto longest = std::max(size.height, size.width);
  if (std::min(size.height, size.width) < 1 || longest > kLargestSide) {
    throw std::invalid_argument("images of " + std::to_string(longest) + " pixels a side; expected 1 to " +
                                std::to_string(kLargestSide));
  }
  if (resize < longest || resize > 2 * kLargestSide) {
    throw std::invalid_argument("pictures resized to " + std::to_string(resize) +
                                " pixels; expected at least the image's " + std::to_string(longest) +
                                " and at most " + std::to_string(2 * kLargestSide));
  }
}

bool FileImages::decode(int64_t file, Random* random, uint8_t* planes) const {
  try {
    const ImageFile image(paths_.at(static_cast<size_t>(file)));
    const bool is_random = random != nullptr;
    const auto part =
        is_random ? random_crop(image.size(), *random) : center_crop(image.size(), resize_, size_);
    // An evaluation is to give what others give: its pixels come from twice as many at least.
    const int64_t factor = is_random ? 1 : 2;
    const ImageSize least{factor * size_.height, factor * size_.width};
    resample(image.decode(part, least), part, /*is_cut=*/is_random, size_, planes);
    return true;
  } catch (const Error& error) {
    if (is_strict_) {
      throw;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    if (damage_.emplace(file, error.what()).second) {
      untold_.push_back(file);
    }
    return false;
  }
}

std::vector<std::string> FileImages::take_damage() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> lines;
  if (untold_.empty()) {
    return lines;
  }
  std::sort(untold_.begin(), untold_.end());
  for (const int64_t file : untold_) {
    lines.push_back("left out: " + damage_[file]);
  }
  untold_.clear();
  lines.push_back(std::to_string(damage_.size()) + " of " + std::to_string(paths_.size()) +
                  " images are damaged and left out; --strict makes that an error");
  return lines;
}

}  // namespace bsq
