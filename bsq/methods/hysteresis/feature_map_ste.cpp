#include "bsq/methods/hysteresis/feature_map_ste.h"

#include <torch/csrc/autograd/custom_function.h>

#include "bsq/quant/codes.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct FixedMapSte : torch::autograd::Function<FixedMapSte> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, int64_t bits) {
    const auto largest = static_cast<double>(max_integer(bits));
    context->save_for_backward({x});
    context->saved_data["largest"] = largest;
    return x.round().clamp_(0, largest);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto x = context->get_saved_variables()[0];
    const double largest = context->saved_data["largest"].toDouble();
    return {gradients[0] * x.gt(0).logical_and_(x.lt(largest)), torch::Tensor()};
  }
};

struct PactMapSte : torch::autograd::Function<PactMapSte> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& alpha,
                               int64_t bits) {
    const auto largest = static_cast<double>(max_integer(bits));
    context->save_for_backward({x, alpha});
    auto y = x.to(alpha.scalar_type()).mul(largest).div_(alpha + kAlphaEpsilon).round_().clamp_(0, largest);
    return y.mul_(alpha).div_(largest).to(x.scalar_type());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& alpha = saved[1];
    const auto x = saved[0].to(alpha.scalar_type());
    const auto of_alpha = gradients[0].to(alpha.scalar_type()).mul(x.gt(alpha)).sum();
    return {gradients[0] * x.gt(0).logical_and_(x.lt(alpha)), of_alpha, torch::Tensor()};
  }
};

}  // namespace

torch::Tensor fixed_map_ste(const torch::Tensor& x, int64_t bits) { return FixedMapSte::apply(x, bits); }

torch::Tensor pact_map_ste(const torch::Tensor& x, const torch::Tensor& alpha, int64_t bits) {
  return PactMapSte::apply(x, alpha, bits);
}

}  // namespace bsq
