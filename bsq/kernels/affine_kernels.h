#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "bsq/kernels/rounding_noise.h"

namespace bsq {

/// Whether the kernels below serve this tensor: float32 on the CPU, dense in memory.
bool can_use_affine_kernels(const torch::Tensor& x);

/// The smallest and the largest number of each of `parts` parts of equal size that follow each other in x's
/// memory: two tensors (parts), one pass. NaN counts as no number; a part of nothing but NaN gives
/// infinities.
std::pair<torch::Tensor, torch::Tensor> extremes_kernel(const torch::Tensor& x, int64_t parts);

/// round(clamp((x - low) / scale + noise, 0, levels)) scale + low, half to even, in one pass; a scale that is
/// not more than 0 gives x itself. `noise`: that of noise_like() for x; nothing: 0. Keeps x's memory format.
torch::Tensor affine_quantize_kernel(const torch::Tensor& x, float low, float scale, int64_t levels,
                                     const std::optional<NoiseKey>& noise);

}  // namespace bsq
