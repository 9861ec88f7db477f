#include <immintrin.h>

#include "bsq/infer/vector_kernels.h"

// Compiled for AVX2 and FMA, and called only where the CPU has both.
namespace bsq::infer {
namespace {

void multiply_bytes(const LayerTask& task) {
  task.taps == 1 ? multiply<Bytes>(task) : multiply<BytesOfTaps>(task);
}

}  // namespace

const Kernels kAvx2Kernels = {
    "avx2",
    {/*sums_in_32_bits=*/false, /*quad=*/22, /*flush=*/24, /*correction=*/18, /*pair=*/22},
    multiply_bytes,
    multiply<Words>,
    multiply<Reals>,
    depthwise<uint8_t, DepthwiseReals>,
    depthwise<uint8_t, DepthwiseWords>,
    depthwise<float, DepthwiseReals>};

}  // namespace bsq::infer
