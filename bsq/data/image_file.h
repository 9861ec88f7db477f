#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

namespace bsq {

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const ImageSize& other) const { return height == other.height && width == other.width; }
  bool operator!=(const ImageSize& other) const { return !(*this == other); }
};

/// The size that a JPEG or PNG file states. Throws bsq::Error for a file that is missing, larger than 64 MiB,
/// of another format, or larger than 4096 pixels in a dimension.
ImageSize image_size(const std::string& file);

/// Decodes a JPEG or PNG file of the given size as red, green and blue planes, each of height rows, into
/// `planes` (3 * height * width bytes); gray is repeated, transparency dropped, 16 bits cut to 8. Throws
/// bsq::Error as image_size does, and for another size or a damaged file. Safe to call from several threads
/// at once.
void decode_image(const std::string& file, ImageSize size, uint8_t* planes);

}  // namespace bsq
