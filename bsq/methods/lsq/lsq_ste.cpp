#include "bsq/methods/lsq/lsq_ste.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

torch::Tensor in_steps(const torch::Tensor& x, const torch::Tensor& step) {
  return x.to(step.scalar_type()).div(step);
}

struct Lsq : torch::autograd::Function<Lsq> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& step,
                               const LsqGrid& grid, int64_t numel) {
    context->save_for_backward({x, step});
    context->saved_data["low"] = grid.low;
    context->saved_data["high"] = grid.high;
    context->saved_data["numel"] = numel;
    return in_steps(x, step).clamp_(grid.low, grid.high).round_().mul_(step).to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const int64_t low = context->saved_data["low"].toInt();
    const int64_t high = context->saved_data["high"].toInt();
    const auto v = in_steps(saved[0], saved[1]);
    const auto is_inside = v.gt(low).logical_and(v.lt(high));
    const auto slope = torch::where(is_inside, v.round().sub_(v), v.clamp(low, high));
    const auto numel = static_cast<double>(context->saved_data["numel"].toInt());
    const double factor = 1 / std::sqrt(numel * static_cast<double>(high));
    const auto of_step = slope.mul_(gradients[0]).sum().mul_(factor);
    return {gradients[0] * is_inside, of_step, torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor lsq_ste(const torch::Tensor& x, const torch::Tensor& step, const LsqGrid& grid, int64_t numel) {
  return Lsq::apply(x, step, grid, numel);
}

double lsq_start(const torch::Tensor& x, const LsqGrid& grid) {
  const double mean = x.detach().abs().mean(torch::kFloat64).item<double>();
  return std::max(2 * mean / std::sqrt(static_cast<double>(grid.high)), kSmallestStep);
}

}  // namespace bsq
