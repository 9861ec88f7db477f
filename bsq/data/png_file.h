#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/data/picture.h"

namespace bsq {

/// Whether the bytes begin as PNG files do.
bool is_png(const std::vector<uint8_t>& bytes);

/// The size that a PNG file states.
ImageSize png_size(const std::string& file, const std::vector<uint8_t>& bytes);

/// Decodes a whole PNG file. Palettes and grey become colours, 16 bits become the upper 8, alpha and gamma
/// are dropped. All checksums count. Both throw bsq::Error that names the file.
Picture decode_png(const std::string& file, const std::vector<uint8_t>& bytes);

}  // namespace bsq
