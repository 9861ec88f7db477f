#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// Whether the kernels below serve this tensor: float32 on the CPU, (B, C), or (B, C, H, W) with the channels
/// last in memory. Its values are then M rows of C in memory, M = B H W.
bool can_use_range_norm_kernels(const torch::Tensor& x);

/// What Range BN takes of a batch; the rows are cut into equal chunks that follow each other.
struct RangeStatistics {
  torch::Tensor mean;               ///< (C), over all rows
  torch::Tensor low, high;          ///< (C): means over the chunks of their smallest and largest values
  torch::Tensor low_row, high_row;  ///< (chunks, C), int64: the first row that has a chunk's extreme
};
/// In one pass. `chunks` divides M. NaN is no extreme; a chunk of nothing but NaN names its first row.
RangeStatistics range_statistics_kernel(const torch::Tensor& x, int64_t chunks);

/// (x - mean) factor + shift, each (C), in x's layout.
torch::Tensor normalize_kernel(const torch::Tensor& x, const torch::Tensor& mean, const torch::Tensor& factor,
                               const torch::Tensor& shift);

/// Over all rows: sums of g, and of g (x - mean); both (C). g has x's layout. Sums are made in chunks of
/// fixed size, in float64 beyond them, so that they depend on no count of threads.
struct GradientSums {
  torch::Tensor gradient, product;
};
GradientSums gradient_sums_kernel(const torch::Tensor& gradient, const torch::Tensor& x,
                                  const torch::Tensor& mean);

}  // namespace bsq
