#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

namespace bsq {

/// Bit widths that the toolkit computes with: 2^16 - 1 is exact in float32.
constexpr int64_t kMinBits = 1;
constexpr int64_t kMaxBits = 16;

/// 2^bits - 1, the largest magnitude of that many binary digits.
inline int64_t max_integer(int64_t bits) { return (int64_t{1} << bits) - 1; }

/// Throws std::invalid_argument that begins with `name` unless kMinBits <= bits <= kMaxBits.
void check_bits(const std::string& name, int64_t bits);

/// Which integers a quantized tensor is made of, and what they stand for:
///     value = scale * (integer - zero_point) / levels + offset.
struct CodeFormat {
  int64_t bits = 0;           ///< bit width as the method counts it; 0: every value is 0
  int64_t levels = 1;         ///< what the integers are divided by; BSQ: 2^n - 1, LSQ: 1
  int64_t low = 0;            ///< the smallest integer
  int64_t step = 1;           ///< from one integer to the next; 2 where a grid has no 0, as signs have
  bool has_sign_bit = false;  ///< sign and magnitude: a weight needs one bit beside `bits` for its sign

  /// The largest integer: `low` and 2^bits - 1 steps, or -low for sign and magnitude.
  int64_t high() const;

  bool operator==(const CodeFormat& other) const;
  bool operator!=(const CodeFormat& other) const { return !(*this == other); }
};

/// -(2^n-1) .. 2^n-1 over 2^n-1: what n bit planes of either sign give (BSQ). 0 bits: 0 alone.
CodeFormat sign_magnitude(int64_t bits);
/// -2^(n-1) .. 2^(n-1)-1, levels 1 (LSQ). n >= 1.
CodeFormat twos_complement(int64_t bits);

/// Throws std::invalid_argument, which begins with "code format", for numbers out of range: bits 0 to 16,
/// levels 1 to 2^20, step 1 or 2, integers within 2^20 of 0.
void check_format(const CodeFormat& format);

/// What a quantized tensor comes to, whichever method made it. Accounting, packing, statistics, report,
/// export and engine read codes and nothing else.
struct Codes {
  torch::Tensor integers;    ///< int32, the tensor's shape
  torch::Tensor scale;       ///< one number (0-dimensional), or one for each output channel (first axis)
  torch::Tensor zero_point;  ///< int32 like scale; undefined: 0
  CodeFormat format;
  torch::Tensor offset = {};  ///< real numbers like scale, for grids without a point at 0; undefined: 0
};

/// One number, or one for each channel (first axis), shaped to be multiplied with a tensor like `values`.
torch::Tensor along_channels(const torch::Tensor& numbers, const torch::Tensor& values);

/// The values that the codes stand for, in the scale's type.
torch::Tensor value_of(const Codes& codes);

/// Whether every value is 0 for its integers' sake, or, with an offset, at all: the tensor needs no bits.
bool is_all_zero(const Codes& codes);

/// Gives all-zero codes a format of 0 bits; their scale stays, an offset goes.
void drop_bits_if_zero(Codes& codes);

/// Turns the signs of integers and scale where the scale is one negative number and the integers are sign and
/// magnitude. No value changes. Files of older runs hold such scales.
void make_scale_positive(Codes& codes);

/// The nearest point of the format's grid, in units of the scale: integer / levels, half to even, saturating
/// at both ends. No gradient.
torch::Tensor round_to_grid(const torch::Tensor& q, const CodeFormat& format);
/// The same; the gradient passes straight through clamp and rounding.
torch::Tensor round_to_grid_ste(const torch::Tensor& q, const CodeFormat& format);

}  // namespace bsq
