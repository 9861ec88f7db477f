#pragma once

#include <cstdint>
#include <string_view>

namespace bsq {

/// CRC-32C (Castagnoli, RFC 3720), as TFRecord files use it.
uint32_t crc32c(std::string_view bytes);

}  // namespace bsq
