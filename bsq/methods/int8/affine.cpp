#include "bsq/methods/int8/affine.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <utility>

#include "bsq/kernels/affine_kernels.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// In the type to compute in.
torch::Tensor widened(const torch::Tensor& x) {
  return x.scalar_type() == torch::kFloat64 ? x.detach() : x.detach().to(torch::kFloat32);
}

// Smallest and largest values of each index of the first axis.
std::pair<torch::Tensor, torch::Tensor> extremes_of_rows(const torch::Tensor& x) {
  const auto wide = widened(x);
  const bool has_rows_in_memory =
      wide.dim() > 0 && wide.numel() > 0 && wide.stride(0) * wide.size(0) == wide.numel();
  if (can_use_affine_kernels(wide) && has_rows_in_memory) {
    return extremes_kernel(wide, wide.size(0));
  }
  const auto rows = wide.reshape({wide.size(0), -1});
  return {rows.amin(1), rows.amax(1)};
}

torch::Tensor scale_of(const AffineRange& range, int64_t bits) {
  return range.range.div(static_cast<double>(max_integer(bits)));
}

struct Steps {
  torch::Tensor integers, low, scale;
};

// The integers, as real numbers.
Steps to_steps(const torch::Tensor& x, const AffineRange& range, int64_t bits, const torch::Tensor& noise) {
  check_bits("int8", bits);
  const auto low = along_channels(range.low.to(x.scalar_type()), x);
  const auto scale = along_channels(scale_of(range, bits).to(x.scalar_type()), x);
  auto steps = x.sub(low).div_(torch::where(scale > 0, scale, torch::ones_like(scale)));
  if (noise.defined()) {
    steps.add_(noise);
  }
  return {steps.clamp_(0.0, static_cast<double>(max_integer(bits))).round_(), low, scale};
}

torch::Tensor quantize_any(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                           const torch::Tensor& noise) {
  torch::NoGradGuard no_grad;
  const auto wide = widened(x);
  auto [steps, low, scale] = to_steps(wide, range, bits, noise);
  const auto values = steps.mul_(scale).add_(low);
  return torch::where(scale > 0, values, wide).to(x.scalar_type());
}

bool can_use_kernel(const torch::Tensor& x, const AffineRange& range) {
  return can_use_affine_kernels(x) && range.low.dim() == 0;
}

torch::Tensor quantize_fast(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                            const std::optional<NoiseKey>& noise) {
  torch::NoGradGuard no_grad;
  check_bits("int8", bits);
  return affine_quantize_kernel(x, range.low.item<float>(), scale_of(range, bits).item<float>(),
                                max_integer(bits), noise);
}

struct AffineQuantize : torch::autograd::Function<AffineQuantize> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& x, const AffineRange& range,
                               int64_t bits) {
    return affine_quantize(x, range, bits);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

AffineRange range_of_tensor(const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  const auto wide = widened(x);
  if (can_use_affine_kernels(wide) && wide.numel() > 0) {
    const auto [low, high] = extremes_kernel(wide, /*parts=*/1);
    return {low[0], high[0].sub(low[0])};
  }
  const auto low = wide.min();
  return {low, wide.max().sub(low)};
}

AffineRange range_of_channels(const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  const auto [low, high] = extremes_of_rows(x);
  return {low, high.sub(low)};
}

AffineRange range_of_samples(const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  const auto [lows, highs] = extremes_of_rows(x);
  const auto low = lows.mean();
  return {low, highs.mean().sub(low)};
}

CodeFormat affine_format(int64_t bits) {
  return {bits, /*levels=*/1, /*low=*/0, /*step=*/1, /*has_sign_bit=*/false};
}

Codes affine_codes(const torch::Tensor& x, const AffineRange& range, int64_t bits) {
  torch::NoGradGuard no_grad;
  const auto wide = widened(x);
  Codes codes;
  codes.integers = to_steps(wide, range, bits, {}).integers.to(torch::kInt32);
  codes.scale = scale_of(range, bits).to(wide.scalar_type());
  codes.offset = range.low.to(wide.scalar_type());
  codes.format = affine_format(bits);
  return codes;
}

torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits) {
  const auto wide = widened(x);
  return can_use_kernel(wide, range) ? quantize_fast(wide, range, bits, std::nullopt).to(x.scalar_type())
                                     : quantize_any(x, range, bits, {});
}

torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                              const torch::Tensor& noise) {
  return quantize_any(x, range, bits, noise);
}

torch::Tensor affine_quantize(const torch::Tensor& x, const AffineRange& range, int64_t bits,
                              const NoiseKey& key) {
  const auto wide = widened(x);
  if (can_use_kernel(wide, range)) {
    return quantize_fast(wide, range, bits, key).to(x.scalar_type());
  }
  const auto dense = x.is_non_overlapping_and_dense() ? x : x.contiguous();
  return quantize_any(dense, range, bits, noise_like(dense, key));
}

torch::Tensor affine_quantize_ste(const torch::Tensor& x, const AffineRange& range, int64_t bits) {
  return AffineQuantize::apply(x, range, bits);
}

}  // namespace bsq
