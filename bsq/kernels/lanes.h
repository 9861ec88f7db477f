#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "bsq/base/vector_variants.h"
#include "bsq/kernels/norm_act_loops.h"

namespace bsq::norm_act {

// As many float32 at a time as a register holds, by the compiler's vector types, and the same operations on
// one float, for what is left over. Of a longer vector gcc 12 makes comparisons and choices number by number.

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
using Lanes = float __attribute__((vector_size(4 * kLanes)));
using LaneWords = uint32_t __attribute__((vector_size(4 * kLanes)));
using LaneHalves = uint16_t __attribute__((vector_size(2 * kLanes)));

template <typename V>
V load(const float* from) = delete;
template <typename V>
V load(const Brain* from) = delete;

template <>
BSQ_INLINE float load<float>(const float* from) {
  return *from;
}
template <>
BSQ_INLINE Lanes load<Lanes>(const float* from) {
  Lanes result;
  std::memcpy(&result, from, sizeof result);
  return result;
}
template <>
BSQ_INLINE float load<float>(const Brain* from) {
  const uint32_t word = static_cast<uint32_t>(from->bits) << 16;
  float result;
  std::memcpy(&result, &word, sizeof result);
  return result;
}
template <>
BSQ_INLINE Lanes load<Lanes>(const Brain* from) {
#ifdef __AVX512F__
  // The compiler would widen by halves.
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
#else
  LaneHalves halves;
  std::memcpy(&halves, from, sizeof halves);
  return reinterpret_cast<Lanes>(__builtin_convertvector(halves, LaneWords) << 16);
#endif
}

BSQ_INLINE void store(float value, float* to) { *to = value; }
BSQ_INLINE void store(const Lanes& value, float* to) { std::memcpy(to, &value, sizeof value); }
// To bfloat16: half to even. A NaN that arithmetic makes stays one.
BSQ_INLINE void store(float value, Brain* to) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  to->bits = static_cast<uint16_t>((word + 0x7fffU + ((word >> 16) & 1U)) >> 16);
}
BSQ_INLINE void store(const Lanes& value, Brain* to) {
#ifdef __AVX512BF16__
  // One instruction, which takes denormals for 0.
  const auto halves = _mm512_cvtneps_pbh(value);
#else
  const auto words = reinterpret_cast<LaneWords>(value);
  const auto rounded = (words + 0x7fffU + ((words >> 16) & 1U)) >> 16;
#ifdef __AVX512F__
  const auto halves = _mm512_cvtepi32_epi16(reinterpret_cast<__m512i>(rounded));
#else
  const auto halves = __builtin_convertvector(rounded, LaneHalves);
#endif
#endif
  std::memcpy(to, &halves, sizeof halves);
}

/// x kept between the limits; NaN stays NaN.
template <typename V>
BSQ_INLINE V clamp(V x, V low, V high) {
  const V raised = x < low ? low : x;
  return raised > high ? high : raised;
}

/// What makes round_even() round values of 0 to `largest`: 2^23, above which every float is whole, or 0 where
/// some are whole already.
BSQ_INLINE float rounding_number(float largest) {
  constexpr float kWhole = 8388608.0F;
  return largest < kWhole ? kWhole : 0.0F;
}

/// The nearest integer of x >= 0, half to even.
template <typename V>
BSQ_INLINE V round_even(V x, V rounding_number) {
  return (x + rounding_number) - rounding_number;
}

}  // namespace bsq::norm_act
