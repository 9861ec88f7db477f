#include <cmath>

#include "bsq/infer/finish.h"
#include "bsq/infer/kernels.h"
#include "bsq/infer/pixel_walk.h"

namespace bsq::infer {
namespace {

void store(const LayerTask& task, const PixelWalk::Place& place, int64_t output, float sum) {
  float y = task.gain[output] * sum + task.shift[output];
  if (task.residual != nullptr) {
    const int64_t at = place.residual + output;
    y += task.residual_is_codes
             ? task.residual_step * static_cast<float>(static_cast<const uint8_t*>(task.residual)[at])
             : static_cast<const float*>(task.residual)[at];
  }
  const int64_t at = place.out + output;
  if (task.out_is_codes) {
    static_cast<uint8_t*>(task.out)[at] = static_cast<uint8_t>(code_of(y, *task.finish));
  } else {
    static_cast<float*>(task.out)[at] = finished(y, *task.finish);
  }
}

inline int32_t add_product(int32_t sum, int32_t a, int32_t b) { return sum + a * b; }
inline float add_product(float sum, float a, float b) { return std::fma(a, b, sum); }

inline float corrected(const LayerTask&, const float*, int64_t, float sum) { return sum; }
inline int32_t corrected(const LayerTask&, const int16_t*, int64_t, int32_t sum) { return sum; }
// `in`: where the output pixel's window begins.
inline int32_t corrected(const LayerTask& task, const uint8_t* in, int64_t output, int32_t sum) {
  const auto& all = task.corrections;
  if (all.first == nullptr) {
    return sum;
  }
  const int64_t block = output / kBlock;
  for (int64_t i = all.first[block]; i < all.first[block + 1]; ++i) {
    const int64_t picks = (i * kBlock + output % kBlock) * kPicks;
    for (int64_t j = picks; j < picks + kPicks; ++j) {
      sum += int32_t{all.weights[j]} * in[all.offsets[i] + all.places[j]];
    }
  }
  return sum;
}

// kTogether: how many numbers of one output lie together in the packed weights.
template <typename In, typename Weight, typename Sum, int64_t kTogether>
void multiply(const LayerTask& task) {
  const auto* in = static_cast<const In*>(task.in);
  const int64_t numbers = task.taps * task.run;
  PixelWalk walk(task);
  for (int64_t i = 0; i < task.height * task.width; ++i) {
    const auto place = walk.next();
    for (int64_t output = 0; output < task.outputs; ++output) {
      const auto* weights = static_cast<const Weight*>(task.weights) + output / kBlock * kBlock * numbers +
                            output % kBlock * kTogether;
      Sum sum = 0;
      for (int64_t k = 0; k < numbers; ++k) {
        const int64_t at = place.in + task.offsets[k / task.run] + k % task.run;
        sum = add_product(sum, Sum{in[at]}, Sum{weights[k / kTogether * kTogether * kBlock + k % kTogether]});
      }
      sum = corrected(task, in + place.in, output, sum);
      store(task, place, output, static_cast<float>(sum));
    }
  }
}

template <typename In, typename Weight, typename Sum>
void depthwise(const LayerTask& task) {
  const auto* in = static_cast<const In*>(task.in);
  const auto* weights = static_cast<const Weight*>(task.weights);
  PixelWalk walk(task);
  for (int64_t i = 0; i < task.height * task.width; ++i) {
    const auto place = walk.next();
    for (int64_t output = 0; output < task.outputs; ++output) {
      Sum sum = 0;
      for (int64_t tap = 0; tap < task.taps; ++tap) {
        const auto found = static_cast<Sum>(in[place.in + task.offsets[tap] + output]);
        sum = add_product(sum, found, Sum{weights[tap * task.outputs + output]});
      }
      store(task, place, output, static_cast<float>(sum));
    }
  }
}

}  // namespace

const Kernels kPortableKernels = {
    "portable",
    // Those of AVX2: layers take the same routes.
    {/*sums_in_32_bits=*/false, /*quad=*/22, /*flush=*/24, /*correction=*/18, /*pair=*/22},
    multiply<uint8_t, int8_t, int32_t, 4>,
    multiply<int16_t, int16_t, int32_t, 2>,
    multiply<float, float, float, 1>,
    depthwise<uint8_t, float, float>,
    depthwise<uint8_t, int16_t, int32_t>,
    depthwise<float, float, float>};

}  // namespace bsq::infer
