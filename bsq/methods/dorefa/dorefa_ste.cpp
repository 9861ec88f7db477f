#include "bsq/methods/dorefa/dorefa_ste.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include "bsq/quant/activation_ste.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct DorefaSign : torch::autograd::Function<DorefaSign> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& weight) {
    return weight.ge(0).to(weight.scalar_type()).mul_(2).sub_(1).mul_(weight.abs().mean());
  }
  static variable_list backward(AutogradContext*, variable_list gradients) { return {gradients[0]}; }
};

}  // namespace

CodeFormat dorefa_format(int64_t bits) {
  const int64_t largest = max_integer(bits);
  return {bits, /*levels=*/largest, /*low=*/-largest, /*step=*/2, /*has_sign_bit=*/false};
}

torch::Tensor dorefa_weight_ste(const torch::Tensor& weight, int64_t bits) {
  const auto bounded = weight.tanh();
  const auto largest = bounded.abs().max();
  const auto is_positive = largest.detach().gt(0);
  const auto unit = bounded / torch::where(is_positive, largest, torch::ones_like(largest));
  return round_to_grid_ste(unit, dorefa_format(bits)) * is_positive;
}

torch::Tensor dorefa_sign_ste(const torch::Tensor& weight) { return DorefaSign::apply(weight); }

torch::Tensor dorefa_activation_ste(const torch::Tensor& x, int64_t bits) {
  return quantize_unsigned_ste(x.clamp(0, 1), bits, torch::ones({}, x.options().requires_grad(false)));
}

}  // namespace bsq
