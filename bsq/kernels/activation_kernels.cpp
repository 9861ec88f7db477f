#include "bsq/kernels/activation_kernels.h"

#include <cmath>

#include "bsq/base/parallel.h"
#include "bsq/base/vector_variants.h"

namespace bsq {
namespace {

constexpr int64_t kGrain = 1 << 14;

template <typename T>
BSQ_INLINE void quantize_span(const T* in, T* out, int64_t count, T levels, T range) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const T clipped = in[i] > range ? range : in[i];
    out[i] = std::nearbyint(clipped * levels / range) * range / levels;
  }
}

BSQ_VECTOR_VARIANTS void quantize_any(const float* in, float* out, int64_t count, float levels, float range) {
  quantize_span(in, out, count, levels, range);
}
BSQ_VECTOR_VARIANTS void quantize_any(const double* in, double* out, int64_t count, double levels,
                                      double range) {
  quantize_span(in, out, count, levels, range);
}

template <typename T>
torch::Tensor quantize(const torch::Tensor& x, double levels, double range) {
  if (range < kSmallestRange) {
    return torch::zeros_like(x);
  }
  auto out = torch::empty_like(x);
  const T* source = x.data_ptr<T>();
  T* target = out.data_ptr<T>();
  parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    quantize_any(source + begin, target + begin, end - begin, static_cast<T>(levels), static_cast<T>(range));
  });
  return out;
}

}  // namespace

bool can_use_activation_kernels(const torch::Tensor& x) {
  const bool has_type = x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64;
  return x.is_cpu() && has_type && x.is_non_overlapping_and_dense();
}

torch::Tensor quantize_unsigned_kernel(const torch::Tensor& x, double levels, double range) {
  return x.scalar_type() == torch::kFloat32 ? quantize<float>(x, levels, range)
                                            : quantize<double>(x, levels, range);
}

}  // namespace bsq
