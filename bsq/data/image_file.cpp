#include "bsq/data/image_file.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/data/jpeg_file.h"
#include "bsq/data/png_file.h"

namespace bsq {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int64_t kMaxSide = 16384;
constexpr int64_t kMaxPixels = int64_t{64} << 20;

std::vector<uint8_t> read_file(const std::string& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error) {
    throw Error(file + ": cannot be read, expected a JPEG or PNG file");
  }
  if (bytes > kMaxFileBytes) {
    throw Error(file + ": " + std::to_string(bytes) + " bytes, expected an image of at most " +
                std::to_string(kMaxFileBytes));
  }
  std::vector<uint8_t> data(static_cast<size_t>(bytes));
  std::ifstream in(file, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size()))) {
    throw Error(file + ": cannot be read, expected " + std::to_string(bytes) + " bytes");
  }
  return data;
}

std::string text_of(ImageSize size) {
  return std::to_string(size.height) + " x " + std::to_string(size.width) + " pixels (height x width)";
}

ImageSize stated_size(const std::string& file, const std::vector<uint8_t>& bytes) {
  if (!is_png(bytes) && !is_jpeg(bytes)) {
    throw Error(file + ": its first bytes are of another format, expected a JPEG or PNG image");
  }
  const auto size = is_png(bytes) ? png_size(file, bytes) : jpeg_size(file, bytes);
  if (size.height > kMaxSide || size.width > kMaxSide || size.height * size.width > kMaxPixels) {
    throw Error(file + ": " + text_of(size) + ", expected at most " + std::to_string(kMaxSide) +
                " a side and " + std::to_string(kMaxPixels) + " together");
  }
  return size;
}

// The smallest reduction, in eighths, at which the part keeps so many pixels.
int eighths_for(const Box& part, ImageSize least) {
  for (const int eighths : {1, 2, 4}) {
    if (part.height * eighths >= 8.0 * static_cast<double>(least.height) &&
        part.width * eighths >= 8.0 * static_cast<double>(least.width)) {
      return eighths;
    }
  }
  return 8;
}

}  // namespace

ImageFile::ImageFile(const std::string& path)
    : path_(path), bytes_(read_file(path)), size_(stated_size(path, bytes_)) {}

Picture ImageFile::decode(const Box& part, ImageSize least) const {
  return is_png(bytes_) ? decode_png(path_, bytes_)
                        : decode_jpeg(path_, bytes_, part, eighths_for(part, least));
}

Picture ImageFile::decode() const {
  return decode({0, 0, static_cast<double>(size_.height), static_cast<double>(size_.width)}, size_);
}

void ImageFile::expect_size(ImageSize size) const {
  if (size_ != size) {
    throw Error(path_ + ": " + text_of(size_) + ", expected " + std::to_string(size.height) + " x " +
                std::to_string(size.width) + " as in the first image; --image-size takes images of any size");
  }
}

ImageSize image_size(const std::string& file) { return ImageFile(file).size(); }

void decode_image(const std::string& file, ImageSize size, uint8_t* planes) {
  const ImageFile image(file);
  image.expect_size(size);
  write_planes(image.decode(), planes);
}

void write_planes(const Picture& picture, uint8_t* planes) {
  const int64_t area = picture.size.height * picture.size.width;
  for (int64_t i = 0; i < area; ++i) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      planes[channel * area + i] = picture.pixels[static_cast<size_t>(3 * i + channel)];
    }
  }
}

}  // namespace bsq
