#pragma once

#include <cstdint>

#include "bsq/infer/plan.h"

namespace bsq::infer {

/// Outputs that the kernels compute together; packed weights come in blocks of so many.
constexpr int64_t kBlock = 16;
/// Channels of a pixel in memory are a multiple of this, the image's excepted.
constexpr int64_t kLanes = 8;

/// Numbers of an input that one correction can pick from.
constexpr int64_t kWindow = 16;
/// How many of them it picks for each output.
constexpr int64_t kPicks = 2;

/// What is left of weights beyond 8 bits: few numbers, picked from windows of the input. Correction i adds to
/// output o of its block the sum of weights[i][o][j] * window[places[i][o][j]] over j < kPicks.
struct Corrections {
  const int64_t* first = nullptr;    ///< of each block of outputs, and one more: the end; null: none
  const int64_t* offsets = nullptr;  ///< where the window begins, as those of a LayerTask's runs
  const uint8_t* places = nullptr;   ///< (correction, output, pick), each below kWindow
  const int8_t* weights = nullptr;   ///< the same; 0 where nothing is picked
  int64_t period = 0;                ///< corrections after which 16-bit sums go into those of 32 bits
};

/// Rows of output pixels of a layer, and its outputs. Images lie in memory pixel by pixel, channels together
/// (NHWC), with a border of zeros. The weights of one output meet `taps` runs of `run` numbers that lie
/// together. Distances are in numbers: from one output pixel's window, or output, to the next of its row, and
/// from one row to the next.
struct LayerTask {
  const void* in = nullptr;          ///< where the first output pixel's window begins
  const int64_t* offsets = nullptr;  ///< of each run
  int64_t taps = 0, run = 0;
  int64_t in_pixel = 0, in_row = 0;
  const void* weights = nullptr;
  int64_t outputs = 0;  ///< stored a pixel, a multiple of kLanes; packed weights are there for whole blocks
  int64_t height = 0, width = 0;  ///< output pixels
  int64_t period = 0;             ///< of bytes: quads after which 16-bit sums go into those of 32 bits
  Corrections corrections;        ///< of bytes

  const float* gain = nullptr;   ///< one an output, for whole blocks
  const float* shift = nullptr;  ///< the same
  const Finish* finish = nullptr;
  const void* residual = nullptr;  ///< null: none
  bool residual_is_codes = false;
  float residual_step = 1;
  int64_t residual_pixel = 0, residual_row = 0;
  void* out = nullptr;
  bool out_is_codes = false;
  int64_t out_pixel = 0, out_row = 0;
};

/// What decides between bytes and words: counts of vector instructions for 4 pixels and a block of outputs.
struct Costs {
  bool sums_in_32_bits = false;  ///< bytes: products are added in 32 bits at once, and need no period
  int64_t quad = 0;              ///< of bytes: 4 numbers
  int64_t flush = 0;             ///< of bytes and of corrections: 16-bit sums into those of 32 bits
  int64_t correction = 0;
  int64_t pair = 0;  ///< of words: 2 numbers
};

/// The loops for one instruction set. Sums of integers are exact in all of them, and real ones are added in
/// one order with one rounding each (fused multiply-add), so that all give the same bits.
///
/// Packed weights, for each block of 16 outputs, for each number k of the taps' runs:
/// - bytes: codes times int8. 4 numbers k together: (k / 4, output, k % 4); run is a multiple of 4.
/// - words: int16 times int16. (k / 2, output, k % 2); run is a multiple of 2.
/// - reals: float times float. (k, output).
/// - depthwise_...: each output meets its own channel alone, and run is 1. (tap, channel): float, or, of
///   depthwise_words, int16 whose sums with the codes fit into 16 bits, and kBlock numbers behind the last.
struct Kernels {
  const char* name;
  Costs costs;
  void (*bytes)(const LayerTask& task);
  void (*words)(const LayerTask& task);
  void (*reals)(const LayerTask& task);
  void (*depthwise_codes)(const LayerTask& task);
  void (*depthwise_words)(const LayerTask& task);
  void (*depthwise_reals)(const LayerTask& task);
};

extern const Kernels kPortableKernels;
#ifdef BSQ_INFER_X86
extern const Kernels kAvx2Kernels;
extern const Kernels kVnniKernels;  ///< AVX-512 with VNNI
#endif

/// The fastest that this CPU has, or those that the environment variable BSQ_INFER_KERNELS names: portable,
/// avx2, avx512-vnni. Throws bsq::Error for others, and for those that this CPU has not.
const Kernels& best_kernels();

}  // namespace bsq::infer
