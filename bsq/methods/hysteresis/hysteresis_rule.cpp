#include "bsq/methods/hysteresis/hysteresis_rule.h"

#include <torch/utils.h>

namespace bsq {

torch::Tensor mean_magnitude(const torch::Tensor& hidden) { return hidden.detach().abs().mean(); }

torch::Tensor signs_of(const torch::Tensor& hidden) { return hidden.detach().ge(0).to(torch::kUInt8); }

void follow(torch::Tensor signs, const torch::Tensor& hidden, const LoopThreshold& threshold) {
  torch::NoGradGuard no_grad;
  const auto limit = threshold.is_relative
                         ? mean_magnitude(hidden).mul_(threshold.value)
                         : torch::full({}, threshold.value, hidden.options().requires_grad(false));
  const auto rises = hidden.ge(limit).logical_and_(hidden.gt(0));
  const auto falls = hidden.le(-limit).logical_and_(hidden.lt(0));
  signs.masked_fill_(rises, 1).masked_fill_(falls, 0);
}

torch::Tensor published_weight(const torch::Tensor& before, const torch::Tensor& after, double threshold) {
  torch::NoGradGuard no_grad;
  const auto sign = after.sign();
  const auto agreement = before.sign().mul_(sign);
  const auto is_full = agreement.gt(0).logical_or_(agreement.lt(0).logical_and_(after.abs().ge(threshold)));
  return torch::where(is_full, sign, after).mul_(mean_magnitude(after));
}

}  // namespace bsq
