#include "bsq/kernels/affine_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bsq/base/parallel.h"
#include "bsq/base/vector_variants.h"

namespace bsq {
namespace {

constexpr int64_t kPiece = 1 << 14;
constexpr int64_t kLanes = 64;  // extremes that are kept beside each other, whatever the CPU's vectors

struct Extremes {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();

  void take(const Extremes& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
};

BSQ_VECTOR_VARIANTS void find_extremes(const float* x, int64_t count, Extremes* result) {
  float low[kLanes], high[kLanes];
  std::fill(low, low + kLanes, result->low);
  std::fill(high, high + kLanes, result->high);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#pragma omp simd
    for (int64_t j = 0; j < kLanes; ++j) {
      const float value = x[i + j];
      low[j] = value < low[j] ? value : low[j];
      high[j] = value > high[j] ? value : high[j];
    }
  }
  for (int64_t j = 0; i + j < count; ++j) {
    low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
    high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
  }
  result->low = *std::min_element(low, low + kLanes);
  result->high = *std::max_element(high, high + kLanes);
}

struct Grid {
  float low, scale, levels;
};

BSQ_INLINE float on_grid(float x, float noise, const Grid& grid) {
  const float steps = (x - grid.low) / grid.scale + noise;
  const float clamped = steps < 0.0F ? 0.0F : (steps > grid.levels ? grid.levels : steps);
  return std::nearbyint(clamped) * grid.scale + grid.low;
}

BSQ_INLINE uint32_t mix_word(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

BSQ_VECTOR_VARIANTS void quantize_nearest(const float* in, float* out, int64_t count, Grid grid) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    out[i] = on_grid(in[i], 0.0F, grid);
  }
}

BSQ_VECTOR_VARIANTS void quantize_stochastic(const float* in, float* out, int64_t count, Grid grid,
                                             NoiseKey key, uint32_t position) {
  const auto length = static_cast<int32_t>(count);
#pragma omp simd
  for (int32_t i = 0; i < length; ++i) {
    const uint32_t word = mix_word(mix_word((position + static_cast<uint32_t>(i)) ^ key.first) + key.second);
    const float noise = static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24F - 0.5F;
    out[i] = on_grid(in[i], noise, grid);
  }
}

}  // namespace

bool can_use_affine_kernels(const torch::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 && x.is_non_overlapping_and_dense();
}

// Parts are cut into pieces of a fixed size, so that few large parts keep all threads busy.
std::pair<torch::Tensor, torch::Tensor> extremes_kernel(const torch::Tensor& x, int64_t parts) {
  const int64_t size = x.numel() / std::max<int64_t>(parts, 1);
  const int64_t pieces = std::max<int64_t>(1, (size + kPiece - 1) / kPiece);
  std::vector<Extremes> found(static_cast<size_t>(parts * pieces));
  const float* data = x.data_ptr<float>();
  parallel_for(0, parts * pieces, /*grain=*/1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i % pieces * kPiece;
      find_extremes(data + i / pieces * size + begin, std::min(kPiece, size - begin),
                    &found[static_cast<size_t>(i)]);
    }
  });
  auto low = torch::empty({parts}, x.options().requires_grad(false));
  auto high = torch::empty_like(low);
  for (int64_t part = 0; part < parts; ++part) {
    Extremes all;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      all.take(found[static_cast<size_t>(part * pieces + piece)]);
    }
    low.data_ptr<float>()[part] = all.low;
    high.data_ptr<float>()[part] = all.high;
  }
  return {low, high};
}

torch::Tensor affine_quantize_kernel(const torch::Tensor& x, float low, float scale, int64_t levels,
                                     const std::optional<NoiseKey>& noise) {
  if (!(scale > 0)) {
    return x.clone();
  }
  auto out = torch::empty_like(x);
  const float* in = x.data_ptr<float>();
  float* target = out.data_ptr<float>();
  const Grid grid{low, scale, static_cast<float>(levels)};
  const int64_t pieces = (x.numel() + kPiece - 1) / kPiece;
  parallel_for(0, pieces, /*grain=*/1, [&](int64_t first, int64_t last) {
    for (int64_t begin = first * kPiece; begin < std::min(last * kPiece, x.numel()); begin += kPiece) {
      const int64_t count = std::min(kPiece, x.numel() - begin);
      if (noise) {
        quantize_stochastic(in + begin, target + begin, count, grid, *noise, static_cast<uint32_t>(begin));
      } else {
        quantize_nearest(in + begin, target + begin, count, grid);
      }
    }
  });
  return out;
}

}  // namespace bsq
