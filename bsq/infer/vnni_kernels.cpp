// Tests compile this file a second time for CPUs without AVX-512, whose instructions SIMDe then emulates.
#ifdef BSQ_INFER_EMULATED
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#else
#include <immintrin.h>
#endif

#include "bsq/infer/vector_kernels.h"

// Compiled for AVX-512 (F, BW, DQ, VL) with VNNI, and called only where the CPU has all of it. One
// instruction multiplies 64 codes with 64 weights of int8, and adds four products to each of 16 sums in 32
// bits: a block of outputs. What gains nothing from longer vectors is the loops of AVX2, compiled anew: twice
// the registers.
namespace bsq::infer {
namespace {

constexpr int kWidePixels = 8;  // computed together: as many sums as the latency of a product needs

__m512i wide_broadcast(const void* numbers) {
  int32_t together;
  std::memcpy(&together, numbers, sizeof together);
  return _mm512_set1_epi32(together);
}

void halve(const __m512i& sum, __m256i (&halves)[kVectors]) {
  halves[0] = _mm512_castsi512_si256(sum);
  halves[1] = _mm512_extracti64x4_epi64(sum, 1);
}

/// Codes times int8, four products a sum.
struct WideByteProducts {
  using In = uint8_t;
  using Weight = int8_t;
  static constexpr int64_t kTogether = 4;
  static __m512i added(const __m512i& sum, const __m512i& a, const __m512i& w) {
    return _mm512_dpbusd_epi32(sum, a, w);
  }
};

/// int16 times int16, two products a sum.
struct WideWordProducts {
  using In = int16_t;
  using Weight = int16_t;
  static constexpr int64_t kTogether = 2;
  static __m512i added(const __m512i& sum, const __m512i& a, const __m512i& w) {
    return _mm512_dpwssd_epi32(sum, a, w);
  }
};

template <typename Products, int kCount>
struct WideIntegers {
  using In = typename Products::In;
  using Weight = typename Products::Weight;

  static void compute(const LayerTask& task, const Windows<In, kCount>& in, const Weight* weights,
                      int64_t block, __m256 (&result)[kCount][kVectors]) {
    __m512i sums[kCount];
    for (auto& sum : sums) {
      sum = _mm512_setzero_si512();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const int64_t at = task.offsets[tap];
      for (int64_t i = at; i < at + task.run; i += Products::kTogether) {
        const __m512i w = _mm512_loadu_si512(weights);
        for (int t = 0; t < kCount; ++t) {
          sums[t] = Products::added(sums[t], wide_broadcast(in[t] + i), w);
        }
        weights += Products::kTogether * kBlock;
      }
    }
    __m256i halves[kCount][kVectors];
    for (int t = 0; t < kCount; ++t) {
      halve(sums[t], halves[t]);
    }
    if constexpr (std::is_same_v<In, uint8_t>) {
      if (task.corrections.first != nullptr) {
        correct<kCount>(task, in, block, halves);
      }
    }
    to_reals<kCount>(halves, result);
  }
};

template <int kCount>
using WideBytes = WideIntegers<WideByteProducts, kCount>;
template <int kCount>
using WideWords = WideIntegers<WideWordProducts, kCount>;

template <int kCount>
struct WideReals {
  using In = float;
  using Weight = float;

  static void compute(const LayerTask& task, const Windows<In, kCount>& in, const Weight* weights,
                      int64_t /*block*/, __m256 (&result)[kCount][kVectors]) {
    __m512 sums[kCount];
    for (auto& sum : sums) {
      sum = _mm512_setzero_ps();
    }
    for (int64_t tap = 0; tap < task.taps; ++tap) {
      const int64_t at = task.offsets[tap];
      for (int64_t i = at; i < at + task.run; ++i) {
        const __m512 w = _mm512_loadu_ps(weights);
        for (int t = 0; t < kCount; ++t) {
          sums[t] = _mm512_fmadd_ps(_mm512_set1_ps(in[t][i]), w, sums[t]);
        }
        weights += kBlock;
      }
    }
    for (int t = 0; t < kCount; ++t) {
      result[t][0] = _mm512_castps512_ps256(sums[t]);
      result[t][1] = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums[t]), 1));
    }
  }
};

}  // namespace

#ifdef BSQ_INFER_EMULATED
extern const Kernels kEmulatedVnniKernels;
const Kernels kEmulatedVnniKernels = {
#else
const Kernels kVnniKernels = {
#endif
    "avx512-vnni",
    {/*sums_in_32_bits=*/true, /*quad=*/9, /*flush=*/12, /*correction=*/18, /*pair=*/9},
    multiply<WideBytes, kWidePixels>,
    multiply<WideWords, kWidePixels>,
    multiply<WideReals, kWidePixels>,
    depthwise<uint8_t, DepthwiseReals>,
    depthwise<uint8_t, DepthwiseWords>,
    depthwise<float, DepthwiseReals>};

}  // namespace bsq::infer
