#include "bsq/methods/profit/duq_ste.h"

#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "bsq/quant/codes.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kLinearFrom = 20;

double lowest(const DuqGrid& grid) {
  return static_cast<double>(grid.low) / static_cast<double>(grid.levels);
}

torch::Tensor in_clips(const torch::Tensor& x, const torch::Tensor& clip) {
  return x.to(clip.scalar_type()).div(along_channels(clip, x));
}

// One sum for each number: over all of x, or over all but its first axis.
torch::Tensor sum_like(const torch::Tensor& values, const torch::Tensor& numbers) {
  return numbers.dim() == 0 ? values.sum() : values.reshape({numbers.numel(), -1}).sum(/*dim=*/1);
}

struct Duq : torch::autograd::Function<Duq> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const torch::Tensor& a,
                               const torch::Tensor& c, const DuqGrid& grid) {
    context->save_for_backward({x, a, c});
    context->saved_data["low"] = grid.low;
    context->saved_data["levels"] = grid.levels;
    return duq_integers(x, a, grid)
        .div_(static_cast<double>(grid.levels))
        .mul_(along_channels(duq_softplus(c), x))
        .to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &a = saved[1], &c = saved[2];
    const DuqGrid grid{context->saved_data["low"].toInt(), context->saved_data["levels"].toInt()};
    const auto g = gradients[0].to(a.scalar_type());
    const auto clip = duq_softplus(a);
    const auto u = in_clips(x, clip);
    const auto is_inside = u.gt(lowest(grid)).logical_and(u.lt(1));
    const auto dx = g.mul(along_channels(duq_softplus(c), x)).mul_(is_inside).div_(along_channels(clip, x));
    const auto da = sum_like(dx * u, a).neg_().mul_(a.sigmoid());
    const auto q = duq_integers(x, a, grid).div_(static_cast<double>(grid.levels));
    const auto dc = sum_like(q.mul_(g), c).mul_(c.sigmoid());
    return {dx.to(x.scalar_type()), da, dc, torch::Tensor()};
  }
};

}  // namespace

DuqGrid duq_weight_grid(int64_t bits) { return {-max_integer(bits - 1), max_integer(bits - 1)}; }

DuqGrid duq_activation_grid(int64_t bits) { return {0, max_integer(bits)}; }

torch::Tensor duq_softplus(const torch::Tensor& stored) {
  return torch::where(stored > kLinearFrom, stored, stored.exp().log1p());
}

double duq_inverse_softplus(double value) {
  return value > kLinearFrom ? value : std::log(std::expm1(value));
}

torch::Tensor duq_integers(const torch::Tensor& x, const torch::Tensor& a, const DuqGrid& grid) {
  torch::NoGradGuard no_grad;
  return in_clips(x, duq_softplus(a)).clamp_(lowest(grid), 1).mul_(static_cast<double>(grid.levels)).round_();
}

torch::Tensor duq_ste(const torch::Tensor& x, const torch::Tensor& a, const torch::Tensor& c,
                      const DuqGrid& grid) {
  return Duq::apply(x, a, c, grid);
}

}  // namespace bsq
