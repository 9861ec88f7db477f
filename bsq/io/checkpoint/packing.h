#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/quant/codes.h"

namespace bsq {

/// The largest bit width that files hold.
constexpr int64_t kMaxStoredBits = 16;

/// Bytes that pack_digits makes of `numel` integers: (bits + 1) * ceil(numel / 8), and 0 for 0 bits.
int64_t packed_bytes(int64_t numel, int64_t bits);

/// Packs integers (int32, any shape, each in [-(2^bits-1), 2^bits-1]) into a one-dimensional uint8 tensor: a
/// sign plane (1: negative, 0 for zero), then `bits` planes of the magnitude, most significant first. A plane
/// is one bit an integer in row-major order, the first in the most significant bit of its byte, padded with
/// zeros to a whole byte. With 0 bits, when all integers are 0, there is no plane at all. Throws
/// std::invalid_argument.
torch::Tensor pack_digits(const torch::Tensor& integers, int64_t bits);

/// Packs unsigned integers, each in [0, 2^bits-1], likewise without the sign plane: bits * ceil(numel / 8)
/// bytes.
torch::Tensor pack_unsigned(const torch::Tensor& integers, int64_t bits);

/// What either makes of codes of a format: integers as they are for sign and magnitude, else (integer - low)
/// / step. Throws std::invalid_argument for an integer that is not of the format.
torch::Tensor pack_codes(const torch::Tensor& integers, const CodeFormat& format);
int64_t packed_bytes(int64_t numel, const CodeFormat& format);

/// The reverse of pack_digits: int32 integers of the given shape. Throws bsq::Error where `bytes` is not what
/// pack_digits can have made (wrong length, a sign on a zero, padding that is not zero),
/// std::invalid_argument for a wrong type.
torch::Tensor unpack_digits(const torch::Tensor& bytes, torch::IntArrayRef shape, int64_t bits);
/// The reverse of pack_codes, with the same errors.
torch::Tensor unpack_codes(const torch::Tensor& bytes, torch::IntArrayRef shape, const CodeFormat& format);

}  // namespace bsq
