#pragma once

#include <torch/types.h>

namespace bsq {

/// A smaller range counts as 0: its steps have no finite number per unit in float32. A running range decays
/// so far behind a layer that has lost all its bits.
constexpr double kSmallestRange = 1e-30;

/// Whether the kernels below serve this tensor: float32 or float64 on the CPU, dense in memory.
bool can_use_activation_kernels(const torch::Tensor& x);

/// quantize_unsigned() in one pass over memory; `levels` is 2^k - 1. Keeps x's memory format.
torch::Tensor quantize_unsigned_kernel(const torch::Tensor& x, double levels, double range);

}  // namespace bsq
