#include "bsq/methods/bsq/plane_kernels.h"

#include <ATen/Dispatch.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "bsq/base/parallel.h"
#include "bsq/base/vector_variants.h"
#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/reconstruction.h"

namespace bsq {
namespace {

constexpr int64_t kChunk = 2048;  // weights whose gradient stays in the first-level cache over all planes

template <typename T>
struct StepNumbers {
  T learning_rate, momentum, weight_decay;
  T gradient_factor;  // of dL/dW: PlaneStep's times f_b, negative for the negative plane
  T penalty_factor;   // of the plane's own value: penalty / norm
};

template <typename T>
BSQ_INLINE void step_span(T* plane, T* momentum, const T* gradient, int64_t count,
                          const StepNumbers<T>& numbers) {
  const T own = numbers.weight_decay + numbers.penalty_factor;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const T direction = gradient[i] * numbers.gradient_factor + own * plane[i];
    momentum[i] = numbers.momentum * momentum[i] + direction;
    const T moved = plane[i] - numbers.learning_rate * momentum[i];
    plane[i] = moved < T(0) ? T(0) : (moved > T(2) ? T(2) : moved);
  }
}

BSQ_VECTOR_VARIANTS void step_any(float* plane, float* momentum, const float* gradient, int64_t count,
                                  const StepNumbers<float>& numbers) {
  step_span(plane, momentum, gradient, count, numbers);
}

BSQ_VECTOR_VARIANTS void step_any(double* plane, double* momentum, const double* gradient, int64_t count,
                                  const StepNumbers<double>& numbers) {
  step_span(plane, momentum, gradient, count, numbers);
}

// Four sums at a time, since one alone would wait for each addition.
template <typename T>
BSQ_INLINE T squares_span(const T* plane, int64_t count) {
  const int64_t quarter = count / 4;
  const T* second = plane + quarter;
  const T* third = second + quarter;
  const T* fourth = third + quarter;
  T a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < quarter; ++i) {
    a += plane[i] * plane[i];
    b += second[i] * second[i];
    c += third[i] * third[i];
    d += fourth[i] * fourth[i];
  }
  for (int64_t i = 4 * quarter; i < count; ++i) {
    a += plane[i] * plane[i];
  }
  return (a + b) + (c + d);
}

// One function for the step and for plane_squares(): a resumed run starts from the same bits as it went on
// from.
BSQ_VECTOR_VARIANTS float squares_any(const float* plane, int64_t count) {
  return squares_span(plane, count);
}
BSQ_VECTOR_VARIANTS double squares_any(const double* plane, int64_t count) {
  return squares_span(plane, count);
}

// The sums of all chunks, plane by plane, in a fixed order.
void add_up(const std::vector<double>& sums, torch::Tensor& squares) {
  const int64_t bits = squares.size(0);
  auto* total = squares.data_ptr<double>();
  std::fill(total, total + bits, 0.0);
  for (size_t i = 0; i < sums.size(); ++i) {
    total[i % static_cast<size_t>(bits)] += sums[i];
  }
}

template <typename T>
torch::Tensor squares_of(const BitPlanes& planes) {
  const int64_t bits = planes.bits();
  const int64_t weights = planes.weights();
  const int64_t chunks = (weights + kChunk - 1) / kChunk;
  std::vector<double> sums(static_cast<size_t>(chunks * bits), 0.0);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * kChunk;
    const int64_t count = std::min(kChunk, weights - first);
    for (int64_t plane = 0; plane < bits; ++plane) {
      const int64_t at = plane * weights + first;
      auto& sum = sums[static_cast<size_t>(chunk * bits + plane)];
      sum += squares_any(planes.positive.data_ptr<T>() + at, count);
      sum += squares_any(planes.negative.data_ptr<T>() + at, count);
    }
  }
  auto squares = torch::empty({bits}, torch::kFloat64);
  add_up(sums, squares);
  return squares;
}

template <typename T>
StepNumbers<T> numbers_of(const PlaneStep& step, int64_t bits, int64_t plane, double squares) {
  const double factor = step.gradient_factor * static_cast<double>(digit_weight(bits, plane)) /
                        static_cast<double>(max_integer(bits));
  return {static_cast<T>(step.learning_rate), static_cast<T>(step.momentum),
          static_cast<T>(step.weight_decay), static_cast<T>(factor),
          static_cast<T>(step.penalty / std::sqrt(kNormEpsilon + squares))};
}

template <typename T>
void step_all(BitPlanes& planes, torch::Tensor& momentum_positive, torch::Tensor& momentum_negative,
              const torch::Tensor& weight_gradient, const PlaneStep& step, torch::Tensor& squares) {
  const int64_t bits = planes.bits();
  const int64_t weights = planes.weights();
  const int64_t chunks = (weights + kChunk - 1) / kChunk;
  std::vector<StepNumbers<T>> numbers;
  for (int64_t plane = 0; plane < bits; ++plane) {
    numbers.push_back(numbers_of<T>(step, bits, plane, squares[plane].item<double>()));
  }
  std::vector<double> sums(static_cast<size_t>(chunks * bits), 0.0);
  const T* gradient = weight_gradient.data_ptr<T>();
  const std::array<T*, 2> values = {planes.positive.data_ptr<T>(), planes.negative.data_ptr<T>()};
  const std::array<T*, 2> moments = {momentum_positive.data_ptr<T>(), momentum_negative.data_ptr<T>()};
  parallel_for(0, chunks, 2, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kChunk;
      const int64_t count = std::min(kChunk, weights - first);
      for (int64_t plane = 0; plane < bits; ++plane) {
        for (size_t sign = 0; sign < 2; ++sign) {
          auto own = numbers[static_cast<size_t>(plane)];
          own.gradient_factor = sign == 0 ? own.gradient_factor : -own.gradient_factor;
          const int64_t at = plane * weights + first;
          step_any(values[sign] + at, moments[sign] + at, gradient + first, count, own);
          sums[static_cast<size_t>(chunk * bits + plane)] += squares_any(values[sign] + at, count);
        }
      }
    }
  });
  add_up(sums, squares);
}

template <typename T>
BSQ_INLINE void round_span(const T* positive, const T* negative, T* out, int64_t weights, int64_t bits,
                           int64_t first, int64_t count) {
  const T levels = static_cast<T>(max_integer(bits));
  for (int64_t plane = 0; plane < bits; ++plane) {
    const T weight = static_cast<T>(digit_weight(bits, plane));
    const T* p = positive + plane * weights + first;
    const T* n = negative + plane * weights + first;
    if (plane == 0) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        out[first + i] = (p[i] - n[i]) * weight;
      }
    } else {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        out[first + i] += (p[i] - n[i]) * weight;
      }
    }
  }
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const T q = out[first + i] / levels;
    const T clamped = q < T(-1) ? T(-1) : (q > T(1) ? T(1) : q);
    out[first + i] = std::nearbyint(clamped * levels) / levels;
  }
}

BSQ_VECTOR_VARIANTS void round_float(const float* p, const float* n, float* out, int64_t weights,
                                     int64_t bits, int64_t first, int64_t count) {
  round_span(p, n, out, weights, bits, first, count);
}
BSQ_VECTOR_VARIANTS void round_double(const double* p, const double* n, double* out, int64_t weights,
                                      int64_t bits, int64_t first, int64_t count) {
  round_span(p, n, out, weights, bits, first, count);
}

template <typename T, typename Round>
void round_all(const BitPlanes& planes, torch::Tensor& out, Round round) {
  const T* p = planes.positive.data_ptr<T>();
  const T* n = planes.negative.data_ptr<T>();
  T* target = out.data_ptr<T>();
  const int64_t weights = planes.weights();
  parallel_for(0, weights, kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kChunk) {
      round(p, n, target, weights, planes.bits(), first, std::min(kChunk, end - first));
    }
  });
}

template <typename T>
BSQ_INLINE T product_span(const T* a, const T* b, int64_t count) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}
BSQ_VECTOR_VARIANTS float product_any(const float* a, const float* b, int64_t count) {
  return product_span(a, b, count);
}
BSQ_VECTOR_VARIANTS double product_any(const double* a, const double* b, int64_t count) {
  return product_span(a, b, count);
}

template <typename T>
double product_of(const torch::Tensor& a, const torch::Tensor& b) {
  double sum = 0;
  for (int64_t first = 0; first < a.numel(); first += kChunk) {
    sum += product_any(a.data_ptr<T>() + first, b.data_ptr<T>() + first, std::min(kChunk, a.numel() - first));
  }
  return sum;
}

}  // namespace

torch::Tensor plane_squares(const BitPlanes& planes) {
  return planes.positive.scalar_type() == torch::kFloat32 ? squares_of<float>(planes)
                                                          : squares_of<double>(planes);
}

void step_planes(BitPlanes& planes, torch::Tensor& momentum_positive, torch::Tensor& momentum_negative,
                 const torch::Tensor& weight_gradient, const PlaneStep& step, torch::Tensor& squares) {
  torch::NoGradGuard no_grad;
  const auto gradient = weight_gradient.contiguous();
  if (planes.positive.scalar_type() == torch::kFloat32) {
    step_all<float>(planes, momentum_positive, momentum_negative, gradient, step, squares);
  } else {
    step_all<double>(planes, momentum_positive, momentum_negative, gradient, step, squares);
  }
}

void round_planes(const BitPlanes& planes, torch::Tensor& rounded) {
  torch::NoGradGuard no_grad;
  const auto options = planes.positive.options().requires_grad(false);
  const auto shape = planes.positive.sizes().slice(1);
  if (!rounded.defined() || rounded.sizes() != shape || !rounded.options().type_equal(options) ||
      rounded.device() != options.device()) {
    rounded = torch::empty(shape, options);
  }
  if (!planes.positive.is_cpu() || !planes.positive.is_contiguous()) {  // the latter of a PlaneBank
    rounded.copy_(round_value(plane_value(planes.positive, planes.negative), planes.bits()));
  } else if (planes.positive.scalar_type() == torch::kFloat32) {
    round_all<float>(planes, rounded, round_float);
  } else {
    round_all<double>(planes, rounded, round_double);
  }
}

torch::Tensor rounded_plane_value(const BitPlanes& planes) {
  torch::Tensor rounded;
  round_planes(planes, rounded);
  return rounded;
}

double scale_gradient(const torch::Tensor& weight_gradient, const torch::Tensor& rounded_value) {
  torch::NoGradGuard no_grad;
  if (!weight_gradient.is_cpu()) {
    return weight_gradient.mul(rounded_value).sum().item<double>();
  }
  const auto gradient = weight_gradient.contiguous();
  return rounded_value.scalar_type() == torch::kFloat32 ? product_of<float>(gradient, rounded_value)
                                                        : product_of<double>(gradient, rounded_value);
}

}  // namespace bsq
