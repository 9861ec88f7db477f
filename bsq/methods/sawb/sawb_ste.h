#pragma once

#include <torch/types.h>

#include <cstdint>

#include "bsq/methods/sawb/sawb_clip.h"

namespace bsq {

/// The integers of a weight, in its type: round(clamp(w, -clip, clip) (n / clip)), half to even, n =
/// sawb_levels(bits). 0 where the clip counts as 0. No gradient.
torch::Tensor sawb_integers(const torch::Tensor& weight, const torch::Tensor& clip, int64_t bits);

/// What one integer stands for: clip / n, shaped as the clip is; 1 where the clip counts as 0, as finetuning
/// divides by it.
torch::Tensor sawb_scale(const torch::Tensor& clip, int64_t bits);

/// The integers times the scale, of the clip that sawb_clip() gives (SAWB, Choi et al., 2018, as
/// BNFusionTrain computes it). Backward: dw = g where |w| <= clip, else 0. With kChannel the clipped weights
/// send theirs to the clip: G = sum of g where w > clip, minus that where w < -clip, and dw_i += G d clip / d
/// w_i. Rounding and scale are straight-through. A layer or channel whose clip counts as 0 is 0 and gets no
/// gradient.
torch::Tensor sawb_ste(const torch::Tensor& weight, int64_t bits, SawbKind kind);

}  // namespace bsq
