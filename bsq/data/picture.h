#pragma once

#include <cstdint>
#include <vector>

namespace bsq {

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const ImageSize& other) const { return height == other.height && width == other.width; }
  bool operator!=(const ImageSize& other) const { return !(*this == other); }
};

/// A rectangle of an image, in pixels; it may begin and end within one.
struct Box {
  double top = 0, left = 0, height = 0, width = 0;
};

/// A part of a picture, which may be smaller than its file has it.
struct Picture {
  std::vector<uint8_t> pixels;  ///< rows of red, green, blue
  ImageSize size;
  int64_t top = 0, left = 0;  ///< where it lies in the whole, in pixels of its own scale
  double scale = 1;           ///< of its pixels, against the file's: 1, 1/2, 1/4 or 1/8
};

}  // namespace bsq
