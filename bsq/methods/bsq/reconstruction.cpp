#include "bsq/methods/bsq/reconstruction.h"

#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RoundValue : torch::autograd::Function<RoundValue> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& q, int64_t bits) {
    return round_value(q, bits);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor()};
  }
};

struct Reconstruct : torch::autograd::Function<Reconstruct> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& positive,
                               const torch::Tensor& negative, const torch::Tensor& scale) {
    const auto value = round_value(plane_value(positive, negative), positive.size(0));
    context->save_for_backward({value, scale});
    context->saved_data["bits"] = positive.size(0);
    return value * scale;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const int64_t bits = context->saved_data["bits"].toInt();
    const auto per_unit = gradients[0] * saved[1] / static_cast<double>(max_integer(bits));
    std::vector<torch::Tensor> planes;
    for (int64_t plane = 0; plane < bits; ++plane) {
      planes.push_back(per_unit * static_cast<double>(digit_weight(bits, plane)));
    }
    const auto positive = torch::stack(planes);
    return {positive, -positive, gradients[0].mul(saved[0]).sum()};
  }
};

}  // namespace

torch::Tensor plane_value(const torch::Tensor& positive, const torch::Tensor& negative) {
  return plane_sum(positive, negative).div_(static_cast<double>(max_integer(positive.size(0))));
}

torch::Tensor round_value(const torch::Tensor& q, int64_t bits) {
  const auto levels = static_cast<double>(max_integer(bits));
  return q.clamp(-1, 1).mul_(levels).round_().div_(levels);
}

torch::Tensor round_value_ste(const torch::Tensor& q, int64_t bits) { return RoundValue::apply(q, bits); }

torch::Tensor reconstruct_ste(const torch::Tensor& positive, const torch::Tensor& negative,
                              const torch::Tensor& scale) {
  return Reconstruct::apply(positive, negative, scale);
}

}  // namespace bsq
