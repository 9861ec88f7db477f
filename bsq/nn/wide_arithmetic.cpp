#include "bsq/nn/wide_arithmetic.h"

namespace bsq {
namespace {

bool has_bfloat16_layers() {
#if defined(__x86_64__)
  static const bool has_them = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return has_them;
#else
  return true;
#endif
}

}  // namespace

torch::Tensor with_fast_arithmetic(
    const torch::Tensor& input, const torch::Tensor& weight, const torch::Tensor& bias,
    const std::function<torch::Tensor(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&)>&
        layer) {
  const bool is_fast = input.scalar_type() != torch::kBFloat16 || !input.is_cpu() || has_bfloat16_layers();
  if (is_fast) {
    return layer(input, weight, bias);
  }
  const auto wide_bias = bias.defined() ? bias.to(torch::kFloat) : bias;
  return layer(input.to(torch::kFloat), weight.to(torch::kFloat), wide_bias).to(torch::kBFloat16);
}

}  // namespace bsq
