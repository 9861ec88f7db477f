#pragma once

#include <torch/types.h>

#include <cmath>

#include "bsq/methods/lsq/lsq_ste.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// LSQ of one number, as the paper's equations 1, 2, 3 and 5 have it.
struct SlowLsq {
  SlowLsq(double x, double step, const LsqGrid& grid) {
    const double v = x / step;
    if (v <= static_cast<double>(grid.low)) {
      slope = static_cast<double>(grid.low);
      value = step * slope;
    } else if (v >= static_cast<double>(grid.high)) {
      slope = static_cast<double>(grid.high);
      value = step * slope;
    } else {
      value = step * std::nearbyint(v);
      slope = std::nearbyint(v) - v;
      passes = 1;
    }
  }

  double value = 0;
  double passes = 0;  ///< d value / dx
  double slope = 0;   ///< d value / d step
};

/// What a tensor of numbers comes to; for an incoming gradient, its gradients.
struct SlowTensor {
  SlowTensor(const torch::Tensor& x, double step, const LsqGrid& grid, const torch::Tensor& gradient,
             int64_t numel) {
    std::vector<double> values, of_x;
    const auto incoming = values_of<double>(gradient);
    double sum = 0;
    for (const double number : values_of<double>(x)) {
      const SlowLsq slow(number, step, grid);
      const double g = incoming[values.size()];
      values.push_back(slow.value);
      of_x.push_back(g * slow.passes);
      sum += g * slow.slope;
    }
    value = tensor_of(values, x.sizes().vec());
    x_gradient = tensor_of(of_x, x.sizes().vec());
    step_gradient = sum / std::sqrt(static_cast<double>(numel) * static_cast<double>(grid.high));
  }

  torch::Tensor value, x_gradient;
  double step_gradient = 0;
};

}  // namespace bsq::test
