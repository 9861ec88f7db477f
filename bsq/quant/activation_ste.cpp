#include "bsq/quant/activation_ste.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <cmath>

#include "bsq/kernels/activation_kernels.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct QuantizeUnsigned : torch::autograd::Function<QuantizeUnsigned> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& x, int64_t bits,
                               const torch::Tensor& range) {
    return quantize_unsigned(x, bits, range);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor(), torch::Tensor()};
  }
};

struct Pact : torch::autograd::Function<Pact> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& alpha) {
    context->save_for_backward({x, alpha});
    return torch::minimum(x.clamp_min(0), alpha);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto& alpha = saved[1];
    const auto inside = x.ge(0).logical_and(x.le(alpha));
    return {gradients[0] * inside, gradients[0].mul(x.ge(alpha)).sum().to(alpha.scalar_type())};
  }
};

}  // namespace

torch::Tensor quantize_unsigned(const torch::Tensor& x, int64_t bits, const torch::Tensor& range) {
  torch::NoGradGuard no_grad;
  const double levels = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  if (x.scalar_type() == torch::kBFloat16) {
    return quantize_unsigned(x.to(torch::kFloat32), bits, range.to(torch::kFloat32)).to(torch::kBFloat16);
  }
  if (can_use_activation_kernels(x)) {
    return quantize_unsigned_kernel(x, levels, range.item<double>());
  }
  const auto quantized = torch::minimum(x, range).mul_(levels).div_(range).round_().mul_(range).div_(levels);
  return torch::where(range < kSmallestRange, torch::zeros_like(quantized), quantized);
}

torch::Tensor quantize_unsigned_ste(const torch::Tensor& x, int64_t bits, const torch::Tensor& range) {
  return QuantizeUnsigned::apply(x, bits, range);
}

torch::Tensor pact_ste(const torch::Tensor& x, const torch::Tensor& alpha) { return Pact::apply(x, alpha); }

}  // namespace bsq
