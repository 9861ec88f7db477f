#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "bsq/infer/kernels.h"

// Compiled for AVX2 and FMA, and called only where the CPU has both. It includes nothing whose inline
// functions other files could take from here.
namespace bsq::infer {
namespace {

constexpr int kPixels = 4;   // computed together
constexpr int kVectors = 2;  // of 8 outputs each: a block

/// What is done to sums, with its numbers in registers: a copy that no store through a pointer of bytes can
/// change.
class Epilogue {
 public:
  explicit Epilogue(const RowTask& task)
      : task_(task),
        low_(_mm256_set1_ps(task.finish->low)),
        high_(_mm256_set1_ps(task.finish->high)),
        per_step_(_mm256_set1_ps(task.finish->per_step)),
        step_(_mm256_set1_ps(task.finish->step)),
        offset_(_mm256_set1_ps(task.finish->offset)),
        residual_step_(_mm256_set1_ps(task.residual_step)),
        rounds_(task.finish->rounds) {}

  /// Gain and shift of 8 outputs.
  struct Affine {
    __m256 gain, shift;
  };
  Affine affine(int64_t output) const {
    return {_mm256_loadu_ps(task_.gain + output), _mm256_loadu_ps(task_.shift + output)};
  }

  // The order of the operands of max and min decides what a NaN becomes: the lower limit.
  void store(int64_t x, int64_t output, const Affine& affine, __m256 sum) const {
    __m256 y = _mm256_add_ps(_mm256_mul_ps(affine.gain, sum), affine.shift);
    if (task_.residual != nullptr) {
      y = _mm256_add_ps(y, residual(x * task_.residual_pixel + output));
    }
    const __m256 c = _mm256_min_ps(_mm256_max_ps(y, low_), high_);
    const int64_t at = x * task_.out_pixel + output;
    if (task_.out_is_codes) {
      store_codes(static_cast<uint8_t*>(task_.out) + at, _mm256_cvtps_epi32(_mm256_mul_ps(c, per_step_)));
    } else {
      _mm256_storeu_ps(static_cast<float*>(task_.out) + at, rounds_ ? rounded(c) : c);
    }
  }

 private:
  __m256 residual(int64_t at) const {
    if (!task_.residual_is_codes) {
      return _mm256_loadu_ps(static_cast<const float*>(task_.residual) + at);
    }
    const auto* codes = static_cast<const uint8_t*>(task_.residual) + at;
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
    return _mm256_mul_ps(residual_step_, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight)));
  }

  __m256 rounded(__m256 c) const {
    const __m256 steps = _mm256_round_ps(_mm256_mul_ps(_mm256_sub_ps(c, offset_), per_step_),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_add_ps(_mm256_mul_ps(step_, steps), offset_);
  }

  static void store_codes(uint8_t* out, __m256i codes) {
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(words, words));
  }

  const RowTask task_;
  const __m256 low_, high_, per_step_, step_, offset_, residual_step_;
  const bool rounds_;
};

template <typename T>
__m256i broadcast(const T* numbers) {
  int32_t together;
  std::memcpy(&together, numbers, sizeof together);
  return _mm256_set1_epi32(together);
}

/// The sums of a tile: kCount pixels times a block of outputs.
template <int kCount>
struct Bytes {
  using In = uint8_t;
  using Weight = int8_t;

  static void compute(const RowTask& task, const In* in, const Weight* weights, int64_t block,
                      __m256 (&result)[kCount][2]) {
    __m256i sums[kCount][kVectors], parts[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      sums[t][0] = sums[t][1] = parts[t][0] = parts[t][1] = _mm256_setzero_si256();
    }
    const __m256i ones = _mm256_set1_epi16(1);
    const auto flush = [&] {
      for (int t = 0; t < kCount; ++t) {
        for (int v = 0; v < kVectors; ++v) {
          sums[t][v] = _mm256_add_epi32(sums[t][v], _mm256_madd_epi16(parts[t][v], ones));
          parts[t][v] = _mm256_setzero_si256();
        }
      }
    };
    int64_t left = task.period;
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const In* from = in + task.offsets[tap];
      int64_t quads = task.run / 4;
      while (quads > 0) {
        const int64_t now = std::min(quads, left);
        for (int64_t i = 0; i < now; ++i) {
          const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
          const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 32));
          for (int t = 0; t < kCount; ++t) {
            const __m256i a = broadcast(from + t * task.pixel);
            parts[t][0] = _mm256_add_epi16(parts[t][0], _mm256_maddubs_epi16(a, w0));
            parts[t][1] = _mm256_add_epi16(parts[t][1], _mm256_maddubs_epi16(a, w1));
          }
          weights += 4 * kBlock;
          from += 4;
        }
        quads -= now;
        left -= now;
        if (left == 0) {
          flush();
          left = task.period;
        }
      }
    }
    flush();
    if (task.corrections.first != nullptr) {
      correct(task, in, block, sums);
    }
    for (int t = 0; t < kCount; ++t) {
      for (int v = 0; v < kVectors; ++v) {
        result[t][v] = _mm256_cvtepi32_ps(sums[t][v]);
      }
    }
  }

 private:
  static void correct(const RowTask& task, const In* in, int64_t block, __m256i (&sums)[kCount][kVectors]) {
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
        const In* from = in + all.offsets[i];
        for (int t = 0; t < kCount; ++t) {
          const auto* window = reinterpret_cast<const __m128i*>(from + t * task.pixel);
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
};

template <int kCount>
struct Words {
  using In = int16_t;
  using Weight = int16_t;

  static void compute(const RowTask& task, const In* in, const Weight* weights, int64_t /*block*/,
                      __m256 (&result)[kCount][2]) {
    __m256i sums[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const In* from = in + task.offsets[tap];
      for (int64_t i = 0; i < task.run; i += 2) {
        const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
        const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + 16));
        for (int t = 0; t < kCount; ++t) {
          const __m256i a = broadcast(from + t * task.pixel + i);
          sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(a, w0));
          sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(a, w1));
        }
        weights += 2 * kBlock;
      }
    }
    for (int t = 0; t < kCount; ++t) {
      for (int v = 0; v < kVectors; ++v) {
        result[t][v] = _mm256_cvtepi32_ps(sums[t][v]);
      }
    }
  }
};

template <int kCount>
struct Reals {
  using In = float;
  using Weight = float;

  static void compute(const RowTask& task, const In* in, const Weight* weights, int64_t /*block*/,
                      __m256 (&result)[kCount][2]) {
    __m256 sums[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      sums[t][0] = sums[t][1] = _mm256_setzero_ps();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const In* from = in + task.offsets[tap];
      for (int64_t i = 0; i < task.run; ++i) {
        const __m256 w0 = _mm256_loadu_ps(weights), w1 = _mm256_loadu_ps(weights + 8);
        for (int t = 0; t < kCount; ++t) {
          const __m256 a = _mm256_broadcast_ss(from + t * task.pixel + i);
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

template <template <int> class Sums, int kCount>
void compute_tile(const RowTask& task, const Epilogue& epilogue, const Epilogue::Affine (&affine)[kVectors],
                  int64_t x, int64_t output) {
  using In = typename Sums<kCount>::In;
  using Weight = typename Sums<kCount>::Weight;
  __m256 sums[kCount][kVectors];
  Sums<kCount>::compute(task, static_cast<const In*>(task.in) + x * task.pixel,
                        static_cast<const Weight*>(task.weights) + output * task.taps * task.run,
                        output / kBlock, sums);
  for (int t = 0; t < kCount; ++t) {
    epilogue.store(x + t, output, affine[0], sums[t][0]);
    if (output + kLanes < task.outputs) {
      epilogue.store(x + t, output + kLanes, affine[1], sums[t][1]);
    }
  }
}

template <template <int> class Sums>
void multiply(const RowTask& given) {
  const RowTask task = given;
  const Epilogue epilogue(task);
  for (int64_t output = 0; output < task.outputs; output += kBlock) {
    const Epilogue::Affine affine[kVectors] = {epilogue.affine(output), epilogue.affine(output + kLanes)};
    int64_t x = 0;
    for (; x + kPixels <= task.width; x += kPixels) {
      compute_tile<Sums, kPixels>(task, epilogue, affine, x, output);
    }
    for (; x + 2 <= task.width; x += 2) {
      compute_tile<Sums, 2>(task, epilogue, affine, x, output);
    }
    for (; x < task.width; ++x) {
      compute_tile<Sums, 1>(task, epilogue, affine, x, output);
    }
  }
}

__m256 load_reals(const float* numbers) { return _mm256_loadu_ps(numbers); }
__m256 load_reals(const uint8_t* codes) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}

template <typename In>
void depthwise(const RowTask& given) {
  const RowTask task = given;
  const Epilogue epilogue(task);
  const auto* in = static_cast<const In*>(task.in);
  const auto* weights = static_cast<const float*>(task.weights);
  for (int64_t output = 0; output < task.outputs; output += kLanes) {
    const auto affine = epilogue.affine(output);
    int64_t x = 0;
    for (; x + kPixels <= task.width; x += kPixels) {
      __m256 sums[kPixels];
      for (auto& sum : sums) {
        sum = _mm256_setzero_ps();
      }
      for (int64_t tap = 0; tap < task.taps; ++tap) {
        const __m256 w = _mm256_loadu_ps(weights + tap * task.outputs + output);
        const In* from = in + task.offsets[tap] + x * task.pixel + output;
        for (int t = 0; t < kPixels; ++t) {
          sums[t] = _mm256_fmadd_ps(load_reals(from + t * task.pixel), w, sums[t]);
        }
      }
      for (int t = 0; t < kPixels; ++t) {
        epilogue.store(x + t, output, affine, sums[t]);
      }
    }
    for (; x < task.width; ++x) {
      __m256 sum = _mm256_setzero_ps();
      for (int64_t tap = 0; tap < task.taps; ++tap) {
        const In* from = in + task.offsets[tap] + x * task.pixel + output;
        sum = _mm256_fmadd_ps(load_reals(from), _mm256_loadu_ps(weights + tap * task.outputs + output), sum);
      }
      epilogue.store(x, output, affine, sum);
    }
  }
}

}  // namespace

const Kernels kAvx2Kernels = {"avx2",          multiply<Bytes>,    multiply<Words>,
                              multiply<Reals>, depthwise<uint8_t>, depthwise<float>};

}  // namespace bsq::infer
