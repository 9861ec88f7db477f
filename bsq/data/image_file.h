#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/data/picture.h"

namespace bsq {

/// A JPEG or PNG file, told apart by its first bytes, in memory.
class ImageFile {
 public:
  /// Reads the file and what it says of its size. Throws bsq::Error for a file that is missing, larger than
  /// 64 MiB, of another format, or larger than 16384 pixels a side or 64 million pixels.
  explicit ImageFile(const std::string& path);

  ImageSize size() const { return size_; }

  /// The pixels that `part` touches, and more of them where that is as quick. A JPEG file is decoded at 1/2,
  /// 1/4 or 1/8 of its size where the part keeps at least `least` pixels. Transparency is dropped, 16 bits
  /// are cut to 8. Throws bsq::Error for a damaged file.
  Picture decode(const Box& part, ImageSize least) const;
  /// All pixels at the file's own size.
  Picture decode() const;
  /// Throws bsq::Error where the file has another size.
  void expect_size(ImageSize size) const;

 private:
  std::string path_;
  std::vector<uint8_t> bytes_;
  ImageSize size_;
};

/// A picture's red, green and blue planes, each of height rows, into `planes` (3 * height * width bytes).
void write_planes(const Picture& picture, uint8_t* planes);

/// The size that a JPEG or PNG file states. Throws as ImageFile does.
ImageSize image_size(const std::string& file);

/// Decodes a JPEG or PNG file of the given size as red, green and blue planes, each of height rows, into
/// `planes` (3 * height * width bytes). Throws bsq::Error as ImageFile does, and for another size. Safe to
/// call from several threads at once.
void decode_image(const std::string& file, ImageSize size, uint8_t* planes);

}  // namespace bsq
