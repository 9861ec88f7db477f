#include "bsq/io/crc32c.h"

#include <array>

namespace bsq {
namespace {

constexpr uint32_t kReversedPolynomial = 0x82f63b78;

std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? kReversedPolynomial : 0);
    }
    table[byte] = remainder;
  }
  return table;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const auto table = make_table();
  uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

}  // namespace bsq
