#pragma once

#include <torch/types.h>

#include <cstdint>

namespace bsq {

/// Under the root, so that the norm of a plane of zeros has a gradient.
constexpr double kNormEpsilon = 1e-8;

/// Per plane sqrt(1e-8 + sum p_b^2 + sum n_b^2): the group norms of planes (n, *shape); shape (n).
/// Differentiable.
torch::Tensor plane_norms(const torch::Tensor& positive, const torch::Tensor& negative);

/// B = the sum of plane_norms(), the group Lasso of one tensor (BSQ, equation 4; "bit-level L1").
torch::Tensor group_lasso(const torch::Tensor& positive, const torch::Tensor& negative);

/// The size-aware factor of one tensor's B in the loss (BSQ, equation 5): weights bits / all weights. The
/// loss takes alpha times the sum of factor times B.
double penalty_factor(int64_t weights, int64_t bits, int64_t all_weights);

}  // namespace bsq
