#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "bsq/infer/kernels.h"
#include "bsq/infer/pixel_walk.h"

// The loops of AVX2, for files that are compiled for AVX2 or more, have included the intrinsics, and are
// called only where the CPU has what they use. It includes nothing whose inline functions other files could
// take from here.
namespace bsq::infer {
namespace {

constexpr int kPixels = 4;   // computed together
constexpr int kVectors = 2;  // of 8 outputs each: a block

/// What is added to a value before it is stored.
enum class Added { kNothing, kCodes, kReals };

/// What is done to sums, with its numbers in registers: a copy that no store through a pointer of bytes can
/// change.
template <Added kAdded, bool kOutIsCodes>
class Epilogue {
 public:
  explicit Epilogue(const LayerTask& task)
      : task_(task),
        low_(_mm256_set1_ps(task.finish->low)),
        high_(_mm256_set1_ps(task.finish->high)),
        per_step_(_mm256_set1_ps(task.finish->per_step)),
        step_(_mm256_set1_ps(task.finish->step)),
        offset_(_mm256_set1_ps(task.finish->offset)),
        residual_step_(_mm256_set1_ps(task.residual_step)),
        rounds_(task.finish->rounds) {}

  /// Gain and shift of a block of outputs.
  struct Affine {
    __m256 gain[kVectors], shift[kVectors];
  };
  Affine affine(int64_t output) const {
    return {{_mm256_loadu_ps(task_.gain + output), _mm256_loadu_ps(task_.gain + output + kLanes)},
            {_mm256_loadu_ps(task_.shift + output), _mm256_loadu_ps(task_.shift + output + kLanes)}};
  }

  /// A pixel's block of outputs, or the first half of it where no more are stored.
  void store(const PixelWalk::Place& place, int64_t output, const Affine& affine,
             const __m256 (&sums)[kVectors], bool is_whole) const {
    const auto first = clamped(place.residual + output, affine.gain[0], affine.shift[0], sums[0]);
    // Of half a block, these are numbers behind the pixel's own and go nowhere.
    const auto second =
        is_whole ? clamped(place.residual + output + kLanes, affine.gain[1], affine.shift[1], sums[1])
                 : first;
    const int64_t at = place.out + output;
    if constexpr (kOutIsCodes) {
      store_codes(static_cast<uint8_t*>(task_.out) + at, _mm256_cvtps_epi32(_mm256_mul_ps(first, per_step_)),
                  _mm256_cvtps_epi32(_mm256_mul_ps(second, per_step_)), is_whole);
    } else {
      auto* out = static_cast<float*>(task_.out) + at;
      _mm256_storeu_ps(out, rounds_ ? rounded(first) : first);
      if (is_whole) {
        _mm256_storeu_ps(out + kLanes, rounds_ ? rounded(second) : second);
      }
    }
  }

 private:
  // The order of the operands of max and min decides what a NaN becomes: the lower limit.
  __m256 clamped(int64_t residual, __m256 gain, __m256 shift, __m256 sum) const {
    __m256 y = _mm256_add_ps(_mm256_mul_ps(gain, sum), shift);
    if constexpr (kAdded == Added::kReals) {
      y = _mm256_add_ps(y, _mm256_loadu_ps(static_cast<const float*>(task_.residual) + residual));
    } else if constexpr (kAdded == Added::kCodes) {
      const auto* codes = static_cast<const uint8_t*>(task_.residual) + residual;
      const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
      y = _mm256_add_ps(y, _mm256_mul_ps(residual_step_, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight))));
    }
    return _mm256_min_ps(_mm256_max_ps(y, low_), high_);
  }

  __m256 rounded(__m256 c) const {
    const __m256 steps = _mm256_round_ps(_mm256_mul_ps(_mm256_sub_ps(c, offset_), per_step_),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_add_ps(_mm256_mul_ps(step_, steps), offset_);
  }

  static void store_codes(uint8_t* out, __m256i first, __m256i second, bool is_whole) {
    const __m256i words = _mm256_packus_epi32(first, second);
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const __m128i codes =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    if (is_whole) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), codes);
    } else {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(out), codes);
    }
  }

  const LayerTask task_;
  const __m256 low_, high_, per_step_, step_, offset_, residual_step_;
  const bool rounds_;
};

/// Calls run(epilogue) with the task's own.
template <typename Run>
void with_epilogue(const LayerTask& task, const Run& run) {
  const auto with = [&](auto added) {
    if (task.out_is_codes) {
      run(Epilogue<added.value, true>(task));
    } else {
      run(Epilogue<added.value, false>(task));
    }
  };
  if (task.residual == nullptr) {
    with(std::integral_constant<Added, Added::kNothing>());
  } else if (task.residual_is_codes) {
    with(std::integral_constant<Added, Added::kCodes>());
  } else {
    with(std::integral_constant<Added, Added::kReals>());
  }
}

template <typename T>
__m256i broadcast(const T* numbers) {
  int32_t together;
  std::memcpy(&together, numbers, sizeof together);
  return _mm256_set1_epi32(together);
}

// Two vectors are in registers now. Without it gcc 12 loads them again for each product.
template <typename Vector>
inline void hold(Vector& a, Vector& b) {
  asm("" : "+x"(a), "+x"(b));
}

// sum += term, in the register where the sum is. With the intrinsic, gcc 12 copies every sum of a loop from
// one register to another in each round.
inline void add_words(__m256i& sum, __m256i term) { asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(term)); }

/// Where the windows of a tile's pixels begin.
template <typename In, int kCount>
using Windows = const In* [kCount];

/// Sums of integers as reals.
template <int kCount>
void to_reals(const __m256i (&sums)[kCount][kVectors], __m256 (&result)[kCount][kVectors]) {
  for (int t = 0; t < kCount; ++t) {
    for (int v = 0; v < kVectors; ++v) {
      result[t][v] = _mm256_cvtepi32_ps(sums[t][v]);
    }
  }
}

/// Adds the task's corrections for a block of outputs.
template <int kCount>
void correct(const LayerTask& task, const Windows<uint8_t, kCount>& in, int64_t block,
             __m256i (&sums)[kCount][kVectors]) {
  const Corrections all = task.corrections;
  const int64_t end = all.first[block + 1];
  for (int64_t i = all.first[block]; i < end;) {
    __m256i parts[kCount];
    for (auto& part : parts) {
      part = _mm256_setzero_si256();
    }
    for (const int64_t stop = std::min(end, i + all.period); i < stop; ++i) {
      const auto at = i * kBlock * kPicks;
      const auto place = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(all.places + at));
      const auto weight = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(all.weights + at));
      for (int t = 0; t < kCount; ++t) {
        const auto* window = reinterpret_cast<const __m128i*>(in[t] + all.offsets[i]);
        const auto codes = _mm256_broadcastsi128_si256(_mm_loadu_si128(window));
        const auto picked = _mm256_shuffle_epi8(codes, place);
        parts[t] = _mm256_add_epi16(parts[t], _mm256_maddubs_epi16(picked, weight));
      }
    }
    for (int t = 0; t < kCount; ++t) {
      const auto low = _mm256_castsi256_si128(parts[t]), high = _mm256_extracti128_si256(parts[t], 1);
      sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_cvtepi16_epi32(low));
      sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_cvtepi16_epi32(high));
    }
  }
}

/// The sums of a tile: kCount pixels times a block of outputs.
template <int kCount>
struct Bytes {
  using In = uint8_t;
  using Weight = int8_t;

  [[gnu::always_inline]] static void compute(const LayerTask& task, const Windows<In, kCount>& in,
                                             const Weight* weights, int64_t block,
                                             __m256 (&result)[kCount][kVectors]) {
    __m256i sums[kCount][kVectors];
    for (auto& sum : sums) {
      sum[0] = sum[1] = _mm256_setzero_si256();
    }
    // Each in a variable of its own: gcc 12 keeps an array of them in memory.
    __m256i a0 = _mm256_setzero_si256(), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    int64_t left = task.period;
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const int64_t at = task.offsets[tap];
      const In *a = in[0] + at, *b = in[1 % kCount] + at, *c = in[2 % kCount] + at, *d = in[3 % kCount] + at;
      int64_t quads = task.run / 4;
      while (quads > 0) {
        const int64_t now = std::min(quads, left);
        for (int64_t i = 0; i < now; ++i) {
          __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
          __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 32));
          hold(w0, w1);
          add_products(a + 4 * i, w0, w1, a0, a1);
          if constexpr (kCount >= 2) {
            add_products(b + 4 * i, w0, w1, b0, b1);
          }
          if constexpr (kCount == 4) {
            add_products(c + 4 * i, w0, w1, c0, c1);
            add_products(d + 4 * i, w0, w1, d0, d1);
          }
          weights += 4 * kBlock;
        }
        a += 4 * now;
        b += 4 * now;
        c += 4 * now;
        d += 4 * now;
        quads -= now;
        left -= now;
        if (left == 0 || (quads == 0 && tap + 1 == task.taps)) {
          move(a0, sums[0][0]);
          move(a1, sums[0][1]);
          if constexpr (kCount >= 2) {
            move(b0, sums[1][0]);
            move(b1, sums[1][1]);
          }
          if constexpr (kCount == 4) {
            move(c0, sums[2][0]);
            move(c1, sums[2][1]);
            move(d0, sums[3][0]);
            move(d1, sums[3][1]);
          }
          left = task.period;
        }
      }
    }
    if (task.corrections.first != nullptr) {
      correct<kCount>(task, in, block, sums);
    }
    to_reals<kCount>(sums, result);
  }

 private:
  static void add_products(const In* codes, __m256i w0, __m256i w1, __m256i& first, __m256i& second) {
    const __m256i quad = broadcast(codes);
    add_words(first, _mm256_maddubs_epi16(quad, w0));
    add_words(second, _mm256_maddubs_epi16(quad, w1));
  }

  // From a sum in 16 bits to one in 32.
  static void move(__m256i& part, __m256i& sum) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, _mm256_set1_epi16(1)));
    part = _mm256_setzero_si256();
  }
};

/// The same as a function of its own: inlined, the loop of several taps lacks registers. That of one tap does
/// not, and it may be too short for a call.
template <int kCount>
struct BytesOfTaps {
  using In = uint8_t;
  using Weight = int8_t;

  [[gnu::noinline]] static void compute(const LayerTask& task, const Windows<In, kCount>& in,
                                        const Weight* weights, int64_t block,
                                        __m256 (&result)[kCount][kVectors]) {
    Bytes<kCount>::compute(task, in, weights, block, result);
  }
};

template <int kCount>
struct Words {
  using In = int16_t;
  using Weight = int16_t;

  static void compute(const LayerTask& task, const Windows<In, kCount>& in, const Weight* weights,
                      int64_t /*block*/, __m256 (&result)[kCount][2]) {
    __m256i sums[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const int64_t at = task.offsets[tap];
      for (int64_t i = at; i < at + task.run; i += 2) {
        __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
        __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16));
        hold(w0, w1);
        for (int t = 0; t < kCount; ++t) {
          const __m256i a = broadcast(in[t] + i);
          sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(a, w0));
          sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(a, w1));
        }
        weights += 2 * kBlock;
      }
    }
    to_reals<kCount>(sums, result);
  }
};

template <int kCount>
struct Reals {
  using In = float;
  using Weight = float;

  static void compute(const LayerTask& task, const Windows<In, kCount>& in, const Weight* weights,
                      int64_t /*block*/, __m256 (&result)[kCount][2]) {
    __m256 sums[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      sums[t][0] = sums[t][1] = _mm256_setzero_ps();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const int64_t at = task.offsets[tap];
      for (int64_t i = at; i < at + task.run; ++i) {
        __m256 w0 = _mm256_loadu_ps(weights), w1 = _mm256_loadu_ps(weights + 8);
        hold(w0, w1);
        for (int t = 0; t < kCount; ++t) {
          const __m256 a = _mm256_broadcast_ss(in[t] + i);
          sums[t][0] = _mm256_fmadd_ps(a, w0, sums[t][0]);
          sums[t][1] = _mm256_fmadd_ps(a, w1, sums[t][1]);
        }
        weights += kBlock;
      }
    }
    for (int t = 0; t < kCount; ++t) {
      result[t][0] = sums[t][0];
      result[t][1] = sums[t][1];
    }
  }
};

template <template <int> class Sums, int kCount, typename Ending>
void compute_tile(const LayerTask& task, const Ending& epilogue, const typename Ending::Affine& affine,
                  PixelWalk& walk, int64_t output) {
  using In = typename Sums<kCount>::In;
  using Weight = typename Sums<kCount>::Weight;
  PixelWalk::Place places[kCount];
  Windows<In, kCount> in;
  for (int t = 0; t < kCount; ++t) {
    places[t] = walk.next();
    in[t] = static_cast<const In*>(task.in) + places[t].in;
  }
  __m256 sums[kCount][kVectors];
  Sums<kCount>::compute(task, in, static_cast<const Weight*>(task.weights) + output * task.taps * task.run,
                        output / kBlock, sums);
  const bool is_whole = output + kLanes < task.outputs;
  for (int t = 0; t < kCount; ++t) {
    epilogue.store(places[t], output, affine, sums[t], is_whole);
  }
}

// All pixels for one block of outputs, then for the next: a block's weights stay in the nearest cache. kMost:
// pixels of a tile.
template <template <int> class Sums, int kMost = kPixels>
void multiply(const LayerTask& given) {
  const LayerTask task = given;
  with_epilogue(task, [&](const auto& epilogue) {
    for (int64_t output = 0; output < task.outputs; output += kBlock) {
      const auto affine = epilogue.affine(output);
      PixelWalk walk(task);
      int64_t left = task.height * task.width;
      for (; left >= kMost; left -= kMost) {
        compute_tile<Sums, kMost>(task, epilogue, affine, walk, output);
      }
      if constexpr (kMost > kPixels) {
        for (; left >= kPixels; left -= kPixels) {
          compute_tile<Sums, kPixels>(task, epilogue, affine, walk, output);
        }
      }
      for (; left >= 2; left -= 2) {
        compute_tile<Sums, 2>(task, epilogue, affine, walk, output);
      }
      if (left > 0) {
        compute_tile<Sums, 1>(task, epilogue, affine, walk, output);
      }
    }
  });
}

__m256 load_reals(const float* numbers) { return _mm256_loadu_ps(numbers); }
__m256 load_reals(const uint8_t* codes) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}

/// The sums of a tile of a depthwise layer: kCount pixels times a block of outputs, or half of one.
template <int kCount>
struct DepthwiseReals {
  using Weight = float;

  template <typename In>
  static void compute(const LayerTask& task, const Windows<In, kCount>& in, const Weight* weights,
                      bool is_whole, __m256 (&sums)[kCount][kVectors]) {
    for (auto& sum : sums) {
      sum[0] = sum[1] = _mm256_setzero_ps();
    }
    for (int v = 0; v < (is_whole ? kVectors : 1); ++v) {
      for (int64_t tap = 0; tap < task.taps; ++tap) {
        const __m256 w = _mm256_loadu_ps(weights + tap * task.outputs + v * kLanes);
        for (int t = 0; t < kCount; ++t) {
          sums[t][v] = _mm256_fmadd_ps(load_reals(in[t] + task.offsets[tap] + v * kLanes), w, sums[t][v]);
        }
      }
    }
  }
};

template <int kCount>
struct DepthwiseWords {
  using Weight = int16_t;

  static void compute(const LayerTask& task, const Windows<uint8_t, kCount>& in, const Weight* weights,
                      bool /*is_whole*/, __m256 (&result)[kCount][kVectors]) {
    __m256i sums[kCount];
    for (auto& sum : sums) {
      sum = _mm256_setzero_si256();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      // Half a block reads on into what follows; workspaces and packed weights have room.
      const auto w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + tap * task.outputs));
      for (int t = 0; t < kCount; ++t) {
        const auto* codes = reinterpret_cast<const __m128i*>(in[t] + task.offsets[tap]);
        sums[t] =
            _mm256_add_epi16(sums[t], _mm256_mullo_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(codes)), w));
      }
    }
    for (int t = 0; t < kCount; ++t) {
      const auto low = _mm256_castsi256_si128(sums[t]), high = _mm256_extracti128_si256(sums[t], 1);
      result[t][0] = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(low));
      result[t][1] = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(high));
    }
  }
};

template <typename In, template <int> class Sums, int kCount, typename Ending>
void depthwise_tile(const LayerTask& task, const Ending& epilogue, const typename Ending::Affine& affine,
                    PixelWalk& walk, int64_t output) {
  PixelWalk::Place places[kCount];
  Windows<In, kCount> in;
  for (int t = 0; t < kCount; ++t) {
    places[t] = walk.next();
    in[t] = static_cast<const In*>(task.in) + places[t].in + output;
  }
  const bool is_whole = output + kLanes < task.outputs;
  __m256 sums[kCount][kVectors];
  Sums<kCount>::compute(task, in, static_cast<const typename Sums<kCount>::Weight*>(task.weights) + output,
                        is_whole, sums);
  for (int t = 0; t < kCount; ++t) {
    epilogue.store(places[t], output, affine, sums[t], is_whole);
  }
}

template <typename In, template <int> class Sums>
void depthwise(const LayerTask& given) {
  const LayerTask task = given;
  with_epilogue(task, [&](const auto& epilogue) {
    for (int64_t output = 0; output < task.outputs; output += kBlock) {
      const auto affine = epilogue.affine(output);
      PixelWalk walk(task);
      int64_t left = task.height * task.width;
      for (; left >= kPixels; left -= kPixels) {
        depthwise_tile<In, Sums, kPixels>(task, epilogue, affine, walk, output);
      }
      for (; left > 0; --left) {
        depthwise_tile<In, Sums, 1>(task, epilogue, affine, walk, output);
      }
    }
  });
}

}  // namespace
}  // namespace bsq::infer
