#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/data/image_file.h"

namespace bsq {

/// Whether the bytes begin as PNG files do.
bool is_png(const std::vector<uint8_t>& bytes);

/// The size that a PNG file states.
ImageSize png_size(const std::string& file, const std::vector<uint8_t>& bytes);

/// Decodes a PNG file to three planes (red, green, blue) of uint8, which `planes` has room for at the size
/// that the file states. Palettes and grey become colours, 16 bits become the upper 8, alpha and gamma are
/// dropped. All checksums count. Both throw bsq::Error that names the file.
void decode_png(const std::string& file, const std::vector<uint8_t>& bytes, uint8_t* planes);

}  // namespace bsq
