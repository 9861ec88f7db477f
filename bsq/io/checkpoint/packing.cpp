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

/// The same for unsigned integers: all planes are digits.
void pack_unsigned_byte(const int32_t* integers, int64_t count, int64_t bits, int64_t plane_bytes,
                        uint8_t* planes) {
  for (int64_t i = 0; i < count; ++i) {
    if (integers[i] < 0 || integers[i] >= (int64_t{1} << bits)) {
      throw std::invalid_argument("packing the integer " + std::to_string(integers[i]) + " into " +
                                  std::to_string(bits) + " unsigned bits");
    }
    for (int64_t b = 0; b < bits; ++b) {
      planes[b * plane_bytes] |= static_cast<uint8_t>(((integers[i] >> (bits - 1 - b)) & 1) << (7 - i));
    }
  }
}

void unpack_unsigned_byte(const uint8_t* planes, int64_t count, int64_t bits, int64_t plane_bytes,
                          int32_t* integers) {
  for (int i = 0; i < 8; ++i) {
    int32_t integer = 0;
    for (int64_t b = 0; b < bits; ++b) {
      integer = 2 * integer + ((planes[b * plane_bytes] >> (7 - i)) & 1);
    }
    if (i < count) {
      integers[i] = integer;
    } else if (integer != 0) {
      throw Error("packed digits have padding that is not zero");
    }
  }
}

void check_bytes(const torch::Tensor& bytes, int64_t expected, int64_t numel, int64_t bits) {
  if (bytes.scalar_type() != torch::kUInt8 || bytes.dim() != 1) {
    throw std::invalid_argument("packed digits have to be one-dimensional uint8");
  }
  if (bytes.numel() != expected) {
    throw Error("packed digits are " + std::to_string(bytes.numel()) + " bytes, expected " +
                std::to_string(expected) + " (" + std::to_string(numel) + " integers of " +
                std::to_string(bits) + " bits)");
  }
}

torch::Tensor flat_integers(const torch::Tensor& integers) {
  if (integers.scalar_type() != torch::kInt32) {
    throw std::invalid_argument(std::string("packing integers of type ") +
                                c10::toString(integers.scalar_type()) + ", expected int32");
  }
  return integers.cpu().contiguous();
}

}  // namespace

int64_t packed_bytes(int64_t numel, int64_t bits) { return bits == 0 ? 0 : (bits + 1) * ((numel + 7) / 8); }

torch::Tensor pack_digits(const torch::Tensor& integers, int64_t bits) {
  check_bits(bits);
  const torch::Tensor flat = flat_integers(integers);
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
  const int64_t numel = c10::multiply_integers(shape);
  check_bytes(bytes, packed_bytes(numel, bits), numel, bits);
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

torch::Tensor pack_unsigned(const torch::Tensor& integers, int64_t bits) {
  check_bits(bits);
  const torch::Tensor flat = flat_integers(integers);
  const int64_t plane_bytes = (flat.numel() + 7) / 8;
  const torch::Tensor bytes = torch::zeros({bits * plane_bytes}, torch::kUInt8);
  const int32_t* in = flat.data_ptr<int32_t>();
  uint8_t* out = bytes.data_ptr<uint8_t>();
  for (int64_t i = 0; i < plane_bytes; ++i) {
    pack_unsigned_byte(in + 8 * i, std::min<int64_t>(8, flat.numel() - 8 * i), bits, plane_bytes, out + i);
  }
  return bytes;
}

int64_t packed_bytes(int64_t numel, const CodeFormat& format) {
  return format.has_sign_bit ? packed_bytes(numel, format.bits) : format.bits * ((numel + 7) / 8);
}

torch::Tensor pack_codes(const torch::Tensor& integers, const CodeFormat& format) {
  if (format.has_sign_bit) {
    return pack_digits(integers, format.bits);
  }
  const auto places = integers.sub(format.low);
  if (places.remainder(format.step).any().item<bool>()) {
    throw std::invalid_argument("packing an integer that is not on the grid of its format");
  }
  return pack_unsigned(places.div(format.step, "trunc").to(torch::kInt32), format.bits);
}

torch::Tensor unpack_codes(const torch::Tensor& bytes, torch::IntArrayRef shape, const CodeFormat& format) {
  if (format.has_sign_bit) {
    return unpack_digits(bytes, shape, format.bits);
  }
  check_bits(format.bits);
  const int64_t numel = c10::multiply_integers(shape);
  check_bytes(bytes, packed_bytes(numel, format), numel, format.bits);
  const torch::Tensor places = torch::zeros(shape, torch::kInt32);
  const torch::Tensor flat = bytes.cpu().contiguous();
  const int64_t plane_bytes = (numel + 7) / 8;
  for (int64_t i = 0; i < plane_bytes; ++i) {
    unpack_unsigned_byte(flat.data_ptr<uint8_t>() + i, std::min<int64_t>(8, numel - 8 * i), format.bits,
                         plane_bytes, places.data_ptr<int32_t>() + 8 * i);
  }
  return format.bits == 0 ? places : places.mul_(format.step).add_(format.low);
}

}  // namespace bsq
