#include "bsq/io/checkpoint/packing.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "bsq/base/error.h"

namespace bsq {
namespace {

void check_bits(int64_t bits) {
  if (bits < 0 || bits > kMaxStoredBits) {
    throw std::invalid_argument("packing " + std::to_string(bits) + " bits, expected 0 to " +
                                std::to_string(kMaxStoredBits));
  }
}

/// The up to 8 integers of one byte position, spread over all planes; `planes` points at that byte of the
/// sign plane.
void pack_byte(const int32_t* integers, int64_t count, int64_t bits, int64_t plane_bytes, uint8_t* planes) {
  const int64_t limit = (int64_t{1} << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t magnitude = std::abs(int64_t{integers[i]});
    if (magnitude > limit) {
      throw std::invalid_argument("packing the integer " + std::to_string(integers[i]) + " into " +
                                  std::to_string(bits) + " bits");
    }
    if (bits == 0) continue;
    const int shift = static_cast<int>(7 - i);
    planes[0] |= static_cast<uint8_t>((integers[i] < 0 ? 1 : 0) << shift);
    for (int64_t b = 0; b < bits; ++b) {
      planes[(1 + b) * plane_bytes] |= static_cast<uint8_t>(((magnitude >> (bits - 1 - b)) & 1) << shift);
    }
  }
}

/// The reverse of pack_byte; padding is what lies past `count`.
void unpack_byte(const uint8_t* planes, int64_t count, int64_t bits, int64_t plane_bytes, int32_t* integers) {
  for (int i = 0; i < 8; ++i) {
    const int shift = 7 - i;
    int32_t magnitude = 0;
    for (int64_t b = 0; b < bits; ++b) {
      magnitude = 2 * magnitude + ((planes[(1 + b) * plane_bytes] >> shift) & 1);
    }
    const bool negative = ((planes[0] >> shift) & 1) != 0;
    if (negative && magnitude == 0) throw Error("packed digits have a sign bit on a zero");
    if (i < count) {
      integers[i] = negative ? -magnitude : magnitude;
    } else if (magnitude != 0) {
      throw Error("packed digits have padding that is not zero");
    }
  }
}

}  // namespace

int64_t packed_bytes(int64_t numel, int64_t bits) { return bits == 0 ? 0 : (bits + 1) * ((numel + 7) / 8); }

torch::Tensor pack_digits(const torch::Tensor& integers, int64_t bits) {
  check_bits(bits);
  if (integers.scalar_type() != torch::kInt32) {
    throw std::invalid_argument(std::string("packing integers of type ") +
                                c10::toString(integers.scalar_type()) + ", expected int32");
  }
  const torch::Tensor flat = integers.cpu().contiguous();
  const torch::Tensor bytes = torch::zeros({packed_bytes(flat.numel(), bits)}, torch::kUInt8);
  const int64_t plane_bytes = (flat.numel() + 7) / 8;
  const int32_t* in = flat.data_ptr<int32_t>();
  uint8_t* out = bytes.data_ptr<uint8_t>();
  for (int64_t i = 0; i < plane_bytes; ++i) {
    pack_byte(in + 8 * i, std::min<int64_t>(8, flat.numel() - 8 * i), bits, plane_bytes,
              bits == 0 ? out : out + i);
  }
  return bytes;
}

torch::Tensor unpack_digits(const torch::Tensor& bytes, torch::IntArrayRef shape, int64_t bits) {
  check_bits(bits);
  if (bytes.scalar_type() != torch::kUInt8 || bytes.dim() != 1) {
    throw std::invalid_argument("packed digits have to be one-dimensional uint8");
  }
  const int64_t numel = c10::multiply_integers(shape);
  if (bytes.numel() != packed_bytes(numel, bits)) {
    throw Error("packed digits are " + std::to_string(bytes.numel()) + " bytes, expected " +
                std::to_string(packed_bytes(numel, bits)) + " (" + std::to_string(numel) + " integers of " +
                std::to_string(bits) + " bits)");
  }
  const torch::Tensor integers = torch::zeros(shape, torch::kInt32);
  if (bits == 0) return integers;
  const torch::Tensor flat = bytes.cpu().contiguous();
  const int64_t plane_bytes = (numel + 7) / 8;
  const uint8_t* in = flat.data_ptr<uint8_t>();
  int32_t* out = integers.data_ptr<int32_t>();
  for (int64_t i = 0; i < plane_bytes; ++i) {
    unpack_byte(in + i, std::min<int64_t>(8, numel - 8 * i), bits, plane_bytes, out + 8 * i);
  }
  return integers;
}

}  // namespace bsq
