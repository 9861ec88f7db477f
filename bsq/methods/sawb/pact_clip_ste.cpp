#include "bsq/methods/sawb/pact_clip_ste.h"

#include <torch/csrc/autograd/custom_function.h>

#include "bsq/quant/activation_ste.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct PactClip : torch::autograd::Function<PactClip> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& alpha,
                               int64_t bits) {
    context->save_for_backward({x, alpha});
    return quantize_unsigned(x, bits, alpha.to(x.scalar_type()));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& alpha = saved[1];
    const auto is_above = saved[0].ge(alpha.to(saved[0].scalar_type()));
    const auto of_alpha = gradients[0].mul(is_above).sum(alpha.scalar_type());
    return {gradients[0].mul(is_above.logical_not_()), of_alpha.view_as(alpha), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor pact_clip_ste(const torch::Tensor& x, const torch::Tensor& alpha, int64_t bits) {
  return PactClip::apply(x, alpha, bits);
}

}  // namespace bsq
