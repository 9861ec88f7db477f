#pragma once

#include <cstdint>

namespace bsq::norm_act {

/// bfloat16 as it lies in memory.
struct Brain {
  uint16_t bits;
};

/// The elements that the loops take together; a row is a multiple.
constexpr int64_t kGroup = 64;

/// A piece of dense channels-last tensors of storage type S that begins at channel 0: `count` elements, in
/// rows of `row` elements, a multiple of the channels and of kGroup. Numbers by channel are repeated to a
/// row's length.
template <typename S>
struct Span {
  const S* x = nullptr;
  const S* residual = nullptr;  ///< null for none
  const S* gradient = nullptr;
  S* out = nullptr;
  int64_t count = 0;
  int64_t row = 0;
  const S* second_gradient = nullptr;  ///< added to the first; null for none
};

/// What the statistics gather: sums of x - centre and of its square, and the extremes.
struct Moments {
  const float* centre;
  float* sum;
  float* square;
  float* least;
  float* largest;
};

/// y = slope x + shift (+ residual), then the clamp to [low, high].
struct Affine {
  const float* slope;
  const float* shift;
  float low, high;
};

/// Where the maximum goes: largest[j] = max(largest[j], y), before the clamp.
struct Largest {
  Affine affine;
  float* largest;
};

/// Quantization as two factors, round(min(y, range) per_step) step, where kQuantize.
struct Quantization {
  Affine affine;
  float range, per_step, step;
};

/// What the first pass of the backward gathers by channel: sums of the gradient g that passes the clamp, of
/// g (x - mean), and of the gradients at or above the upper limit (closed only: PACT's alpha).
struct GradientRow {
  Affine affine;
  const float* mean;
  float* sum;
  float* product;
  float* above;
};

/// dL/dx = gain g + tilt (x - mean) + level, by channel.
struct InputGradient {
  Affine affine;
  const float* mean;
  const float* gain;
  const float* tilt;
  const float* level;
};

/// The loops over a span of one storage type.
template <typename S>
struct LoopsOf {
  void (*gather)(const Span<S>&, const Moments&);
  void (*find_largest)(const Span<S>&, const Largest&);
  void (*activate)(const Span<S>&, const Quantization&);          ///< out = clamp(slope x + shift), quantized
  void (*activate_sum)(const Span<S>&, const Quantization&);      ///< the same with the residual
  void (*open_sums)(const Span<S>&, const GradientRow&);          ///< the gradient passes between the limits
  void (*closed_sums)(const Span<S>&, const GradientRow&);        ///< on the limits too
  void (*passed_gradient)(const Span<S>&, const InputGradient&);  ///< of a gradient that has passed the clamp
  void (*open_gradient)(const Span<S>&, const InputGradient&);
  void (*closed_gradient)(const Span<S>&, const InputGradient&);
};

struct Loops {
  LoopsOf<float> of_float;
  LoopsOf<Brain> of_brain;
};

// One table for each instruction set that norm_act_loops.cpp is compiled for.
extern const Loops kPortableLoops;
#ifdef BSQ_X86_VARIANTS
extern const Loops kAvx2Loops;
extern const Loops kAvx512Loops;
extern const Loops kAvx512Bf16Loops;  ///< rounds to bfloat16 in one instruction
#endif

/// The best that this CPU has.
const Loops& loops();

inline const LoopsOf<float>& loops_for(const Span<float>&) { return loops().of_float; }
inline const LoopsOf<Brain>& loops_for(const Span<Brain>&) { return loops().of_brain; }

}  // namespace bsq::norm_act
