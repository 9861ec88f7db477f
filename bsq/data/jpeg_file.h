#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/data/picture.h"

namespace bsq {

/// Whether the bytes begin as JPEG files do.
bool is_jpeg(const std::vector<uint8_t>& bytes);

/// The size that a JPEG file states.
ImageSize jpeg_size(const std::string& file, const std::vector<uint8_t>& bytes);

/// Decodes the pixels of a JPEG file that `part` touches, a few more around them and none below, by
/// libjpeg-turbo. `eighths` of 8 gives the file's own size; 4, 2 and 1 give a half, a quarter and an eighth
/// of it, in less time. Gray, CMYK and YCCK become colours. Throws bsq::Error that names the file where it is
/// damaged or ends before these pixels.
Picture decode_jpeg(const std::string& file, const std::vector<uint8_t>& bytes, const Box& part, int eighths);

}  // namespace bsq
