#include "bsq/data/image_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int kMaxSide = 4096;
// Decoding 4096 x 4096 pixels takes half of this; more is a damaged or hostile file.
constexpr size_t kMaxDecoderBytes = size_t{256} << 20;

void* limited_realloc(void* memory, size_t bytes) {
  return bytes > kMaxDecoderBytes ? nullptr : std::realloc(memory, bytes);
}

}  // namespace
}  // namespace bsq

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_MALLOC(bytes) bsq::limited_realloc(nullptr, bytes)
#define STBI_REALLOC(memory, bytes) bsq::limited_realloc(memory, bytes)
#define STBI_FREE(memory) std::free(memory)
#include <stb/stb_image.h>

#include "bsq/data/png_file.h"

namespace bsq {
namespace {

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

[[noreturn]] void not_an_image(const std::string& file) {
  const char* reason = stbi_failure_reason();
  throw Error(file + ": not decoded (" + (reason != nullptr ? reason : "unknown") +
              "), expected a JPEG or PNG image");
}

ImageSize stated_size(const std::string& file, const std::vector<uint8_t>& bytes) {
  int width = 0;
  int height = 0;
  int channels = 0;
  if (stbi_info_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels) == 0) {
    not_an_image(file);
  }
  if (width > kMaxSide || height > kMaxSide) {
    throw Error(file + ": " + std::to_string(height) + " x " + std::to_string(width) +
                " pixels, expected at most " + std::to_string(kMaxSide) + " a side");
  }
  return {height, width};
}

void check_size(const std::string& file, ImageSize found, ImageSize expected) {
  if (found != expected) {
    throw Error(file + ": " + std::to_string(found.height) + " x " + std::to_string(found.width) +
                " pixels (height x width), expected " + std::to_string(expected.height) + " x " +
                std::to_string(expected.width) + " as in the first image");
  }
}

}  // namespace

ImageSize image_size(const std::string& file) {
  const auto bytes = read_file(file);
  return is_png(bytes) ? png_size(file, bytes) : stated_size(file, bytes);
}

void decode_image(const std::string& file, ImageSize size, uint8_t* planes) {
  const std::vector<uint8_t> bytes = read_file(file);
  if (is_png(bytes)) {
    check_size(file, png_size(file, bytes), size);
    decode_png(file, bytes, planes);
    return;
  }
  check_size(file, stated_size(file, bytes), size);
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&std::free)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels,
                            /*desired_channels=*/3),
      &std::free);
  if (pixels == nullptr) {
    not_an_image(file);
  }
  check_size(file, {height, width}, size);
  const int64_t area = size.height * size.width;
  for (int64_t i = 0; i < area; ++i) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      planes[channel * area + i] = pixels.get()[3 * i + channel];
    }
  }
}

}  // namespace bsq
