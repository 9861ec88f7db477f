#include "bsq/kernels/sgd_step.h"

#include <torch/utils.h>

#include "bsq/base/parallel.h"
#include "bsq/base/vector_variants.h"

namespace bsq {
namespace {

constexpr int64_t kStepGrain = 32768;  // elements a thread, at least

template <typename T>
struct Span {
  T* value;
  T* momentum;
  const T* gradient;
  int64_t count;
};

template <bool is_nesterov, typename T>
BSQ_INLINE void step_span(const Span<T>& span, const SgdNumbers& numbers, const ClampLimits& limits) {
  const T rate = static_cast<T>(numbers.learning_rate);
  const T kept = static_cast<T>(numbers.momentum);
  const T decay = static_cast<T>(numbers.weight_decay);
  const T low = static_cast<T>(limits.low);
  const T high = static_cast<T>(limits.high);
#pragma omp simd
  for (int64_t i = 0; i < span.count; ++i) {
    const T wanted = span.gradient[i] + decay * span.value[i];
    span.momentum[i] = kept * span.momentum[i] + wanted;
    const T direction = is_nesterov ? wanted + kept * span.momentum[i] : span.momentum[i];
    const T moved = span.value[i] - rate * direction;
    span.value[i] = moved < low ? low : (moved > high ? high : moved);
  }
}

BSQ_VECTOR_VARIANTS void step_any(const Span<float>& span, const SgdNumbers& numbers,
                                  const ClampLimits& limits) {
  numbers.is_nesterov ? step_span<true>(span, numbers, limits) : step_span<false>(span, numbers, limits);
}
BSQ_VECTOR_VARIANTS void step_any(const Span<double>& span, const SgdNumbers& numbers,
                                  const ClampLimits& limits) {
  numbers.is_nesterov ? step_span<true>(span, numbers, limits) : step_span<false>(span, numbers, limits);
}

template <typename T>
void step_all(torch::Tensor& value, torch::Tensor& momentum, const torch::Tensor& gradient,
              const SgdNumbers& numbers, const ClampLimits& limits) {
  const Span<T> whole{value.data_ptr<T>(), momentum.data_ptr<T>(), gradient.data_ptr<T>(), value.numel()};
  parallel_for(0, whole.count, kStepGrain, [&](int64_t begin, int64_t end) {
    step_any({whole.value + begin, whole.momentum + begin, whole.gradient + begin, end - begin}, numbers,
             limits);
  });
}

bool is_plain(const torch::Tensor& tensor, torch::ScalarType type) {
  return tensor.is_cpu() && tensor.scalar_type() == type && tensor.is_contiguous();
}

}  // namespace

void sgd_step(torch::Tensor& value, torch::Tensor& momentum, const torch::Tensor& gradient,
              const SgdNumbers& numbers, const ClampLimits& limits) {
  torch::NoGradGuard no_grad;
  const auto type = value.scalar_type();
  const bool can_fuse = (type == torch::kFloat32 || type == torch::kFloat64) && is_plain(value, type) &&
                        is_plain(momentum, type) && gradient.is_cpu() && gradient.scalar_type() == type;
  if (can_fuse && type == torch::kFloat32) {
    step_all<float>(value, momentum, gradient.contiguous(), numbers, limits);
  } else if (can_fuse) {
    step_all<double>(value, momentum, gradient.contiguous(), numbers, limits);
  } else {
    momentum.mul_(numbers.momentum).add_(gradient).add_(value, numbers.weight_decay);
    const auto direction = numbers.is_nesterov
                               ? gradient.add(value, numbers.weight_decay).add_(momentum, numbers.momentum)
                               : momentum;
    value.add_(direction, -numbers.learning_rate);
    value.clamp_(limits.low, limits.high);
  }
}

void sgd_steps(const std::vector<torch::Tensor>& values, const std::vector<torch::Tensor>& momenta,
               const std::vector<torch::Tensor>& gradients, const SgdNumbers& numbers) {
  torch::NoGradGuard no_grad;
  if (values.empty()) {
    return;
  }
  at::_foreach_mul_(momenta, numbers.momentum);
  at::_foreach_add_(momenta, gradients);
  at::_foreach_add_(momenta, values, numbers.weight_decay);
  if (!numbers.is_nesterov) {
    at::_foreach_add_(values, momenta, -numbers.learning_rate);
    return;
  }
  const auto directions = at::_foreach_add(gradients, values, numbers.weight_decay);
  at::_foreach_add_(directions, momenta, numbers.momentum);
  at::_foreach_add_(values, directions, -numbers.learning_rate);
}

}  // namespace bsq
