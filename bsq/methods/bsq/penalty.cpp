#include "bsq/methods/bsq/penalty.h"

namespace bsq {

torch::Tensor plane_norms(const torch::Tensor& positive, const torch::Tensor& negative) {
  const auto squares = positive.flatten(1).square().sum(1) + negative.flatten(1).square().sum(1);
  return (squares + kNormEpsilon).sqrt();
}

torch::Tensor group_lasso(const torch::Tensor& positive, const torch::Tensor& negative) {
  return plane_norms(positive, negative).sum();
}

double penalty_factor(int64_t weights, int64_t bits, int64_t all_weights) {
  return static_cast<double>(weights) * static_cast<double>(bits) / static_cast<double>(all_weights);
}

}  // namespace bsq
