#include "bsq/methods/bsq/plane_bank.h"

#include <torch/utils.h>

#include <algorithm>

#include "bsq/methods/bsq/penalty.h"
#include "bsq/methods/bsq/reconstruction.h"

namespace bsq {
namespace {

int64_t blocks_of(const PlaneGroup& group) {
  return (group.weight->planes().weights() + PlaneBank::kBlock - 1) / PlaneBank::kBlock;
}

torch::Tensor numbers_on(const std::vector<double>& numbers, const torch::Device& device) {
  return torch::tensor(numbers, torch::kFloat64).to(device);
}

// The tensor keeps its identity and its values: whoever holds it sees the view.
void place(torch::Tensor& tensor, const torch::Tensor& view) {
  view.copy_(tensor);
  tensor.set_data(view);
}

}  // namespace

PlaneBank::PlaneBank(std::vector<PlaneGroup>& groups, StepRule rule) : groups_(groups), rule_(rule) {
  torch::NoGradGuard no_grad;
  const auto options = groups.front().weight->planes().positive.options().requires_grad(false);
  int64_t most_bits = 0;
  std::vector<int64_t> blocks;
  for (const auto& group : groups) {
    most_bits = std::max(most_bits, group.weight->bits());
    blocks.insert(blocks.end(), static_cast<size_t>(blocks_of(group)),
                  static_cast<int64_t>(&group - &groups[0]));
  }
  const auto count = static_cast<int64_t>(groups.size());
  const auto all_blocks = static_cast<int64_t>(blocks.size());
  planes_ = torch::zeros({2, most_bits, all_blocks, kBlock}, options);
  momenta_ = torch::zeros_like(planes_);
  rounded_ = torch::zeros({all_blocks, kBlock}, options);
  values_ = torch::zeros_like(rounded_);
  scales_ = torch::zeros({count}, options);
  scale_momenta_ = torch::zeros_like(scales_);
  if (groups.front().sensitivity.defined()) {
    sensitivities_ = torch::zeros({count}, options.dtype(torch::kFloat64));
  }
  int64_t first_block = 0;
  for (int64_t i = 0; i < count; ++i) {
    auto& group = groups_[static_cast<size_t>(i)];
    move_in(group, i, first_block);
    first_block += blocks_of(group);
  }
  make_constants(blocks);
  update_squares();
  update_group_norms();
}

void PlaneBank::move_in(PlaneGroup& group, int64_t index, int64_t first_block) {
  auto& planes = group.weight->planes();
  const auto shape = planes.positive.sizes().vec();
  const int64_t bits = planes.bits();
  const int64_t weights = planes.weights();
  const int64_t blocks = blocks_of(group);
  const auto planes_in = [&](const torch::Tensor& bank, int64_t sign) {
    return bank[sign]
        .narrow(0, 0, bits)
        .narrow(1, first_block, blocks)
        .view({bits, blocks * kBlock})
        .narrow(1, 0, weights)
        .view(shape);
  };
  const auto weights_in = [&](const torch::Tensor& bank) {
    return bank.narrow(0, first_block, blocks)
        .view({-1})
        .narrow(0, 0, weights)
        .view(at::IntArrayRef(shape).slice(1));
  };
  place(planes.positive, planes_in(planes_, 0));
  place(planes.negative, planes_in(planes_, 1));
  place(planes.scale, scales_[index]);
  place(group.momentum_positive, planes_in(momenta_, 0));
  place(group.momentum_negative, planes_in(momenta_, 1));
  place(group.momentum_scale, scale_momenta_[index]);
  if (sensitivities_.defined()) {
    place(group.sensitivity, sensitivities_[index]);
  }
  group.weight->keep_values_in(weights_in(rounded_), weights_in(values_));
  padding_.push_back(torch::zeros({blocks * kBlock - weights}, planes_.options()));
}

void PlaneBank::make_constants(const std::vector<int64_t>& blocks) {
  const int64_t most_bits = planes_.size(1);
  const auto count = static_cast<int64_t>(groups_.size());
  const auto device = planes_.device();
  const auto cpu = torch::TensorOptions(torch::kFloat64);
  auto digits = torch::zeros({most_bits, count}, cpu), factors = torch::zeros({most_bits, count}, cpu),
       penalties = torch::zeros({most_bits, count}, cpu);
  std::vector<double> levels, gains, sizes, norms, has_norm;
  for (int64_t i = 0; i < count; ++i) {
    const auto& group = groups_[static_cast<size_t>(i)];
    const int64_t bits = group.weight->bits();
    for (int64_t plane = 0; plane < bits; ++plane) {
      digits[plane][i] = static_cast<double>(digit_weight(bits, plane));
      factors[plane][i] = plane_factor(bits, plane);
      penalties[plane][i] = group.factor;
    }
    levels.push_back(static_cast<double>(max_integer(bits)));
    gains.push_back(plane_gain(bits));
    sizes.push_back(static_cast<double>(group.weight->planes().weights()));
    norms.push_back(group.norm.defined() ? group.norm.item<double>() : 0);
    has_norm.push_back(group.norm.defined() ? 1 : 0);
  }
  group_of_block_ = torch::tensor(blocks, torch::kInt64).to(device);
  is_of_group_ = torch::one_hot(group_of_block_, count).to(torch::kFloat64);
  digits_ = over_blocks(digits.to(device));
  factors_ = over_blocks(torch::stack({factors, -factors}).to(device));
  levels_ = over_blocks(numbers_on(levels, device));
  penalty_factors_ = penalties.to(device);
  gains_ = numbers_on(gains, device);
  sizes_ = numbers_on(sizes, device);
  norms_ = numbers_on(norms, device);
  has_norm_ = numbers_on(has_norm, device).ne(0);
}

// (..., G) as (..., C, 1), in the planes' type.
torch::Tensor PlaneBank::over_blocks(const torch::Tensor& of_groups) const {
  return of_groups.to(planes_.scalar_type()).index_select(-1, group_of_block_).unsqueeze(-1);
}

// (C, kBlock) as (G), float64.
torch::Tensor PlaneBank::sums_over_groups(const torch::Tensor& of_weights) const {
  return torch::matmul(of_weights.sum(1, /*keepdim=*/false, torch::kFloat64), is_of_group_);
}

// (C, kBlock); 0 where a weight has none.
torch::Tensor PlaneBank::gradient_of_all(std::vector<double>& has_gradient) const {
  std::vector<torch::Tensor> parts;
  parts.reserve(2 * groups_.size());
  for (size_t i = 0; i < groups_.size(); ++i) {
    const auto& weight = *groups_[i].weight;
    const auto gradient = weight.weight_gradient();
    has_gradient.push_back(gradient.defined() ? 1 : 0);
    parts.push_back(gradient.defined() ? gradient.reshape({-1})
                                       : torch::zeros({weight.planes().weights()}, planes_.options()));
    parts.push_back(padding_[i]);
  }
  return torch::cat(parts).view({-1, kBlock});
}

void PlaneBank::update_squares() {
  const auto of_blocks = planes_.square().sum(/*dim=*/3).to(torch::kFloat64).sum(/*dim=*/0);
  squares_ = torch::matmul(of_blocks, is_of_group_);
}

void PlaneBank::update_group_norms() {
  group_norms_ = squares_.add(kNormEpsilon).sqrt_().mul_(penalty_factors_).sum();
}

void PlaneBank::step(const BankStep& step) {
  torch::NoGradGuard no_grad;
  std::vector<double> has_gradient;
  const auto gradient = gradient_of_all(has_gradient);
  auto is_moved = torch::ones_like(gains_);
  if (std::count(has_gradient.begin(), has_gradient.end(), 0.0) > 0) {
    is_moved = numbers_on(has_gradient, planes_.device());
  }
  update_group_norms();
  if (rule_ == StepRule::kRelative) {
    is_moved.mul_(squares_.sum(0).ne(0));
    if (sensitivities_.defined()) {
      const auto mean = sums_over_groups(gradient.square()).div_(sizes_);
      sensitivities_.add_(mean.sub_(sensitivities_).mul_(is_moved), 1 - kSensitivityMemory);
    }
  }
  // The planes' step takes the scales from before it.
  const auto scales = scales_.to(torch::kFloat64);
  const auto of_gradient = rule_ == StepRule::kRelative ? scales.mul(gains_).reciprocal_() : scales;
  const auto factors = torch::where(is_moved.ne(0), of_gradient, torch::zeros_like(of_gradient));
  if (rule_ == StepRule::kRelative) {
    step_scales(step, gradient, is_moved);
  } else {
    give_scale_gradients(gradient, has_gradient);
  }
  momenta_.mul_(over_blocks(is_moved.mul(step.momentum - 1).add_(1)));
  momenta_.addcmul_(gradient, factors_.mul(over_blocks(factors)));
  step_planes(step, is_moved);
}

// Penalty and decay, the step and the clamp.
void PlaneBank::step_planes(const BankStep& step, const torch::Tensor& is_moved) {
  const double decay = rule_ == StepRule::kRelative ? 0 : step.weight_decay;
  if (decay != 0 || step.alpha != 0) {
    const auto own = squares_.add(kNormEpsilon).rsqrt_().mul_(penalty_factors_).mul_(step.alpha).add_(decay);
    momenta_.addcmul_(planes_, over_blocks(own.mul_(is_moved)));
  }
  planes_.addcmul_(momenta_, over_blocks(is_moved.mul(-step.learning_rate)));
  planes_.clamp_(0, 2);
  update_squares();
}

// As PlaneOptimizer::step_scale().
void PlaneBank::step_scales(const BankStep& step, const torch::Tensor& gradient,
                            const torch::Tensor& is_moved) {
  const auto squares = sums_over_groups(rounded_.square());
  const auto is_free = has_norm_.logical_not().logical_and_(squares.ne(0)).logical_and_(is_moved.ne(0));
  const auto direction = sums_over_groups(gradient.mul(rounded_))
                             .div_(squares.mul_(scales_))
                             .clamp_(-kMostScaleStep, kMostScaleStep)
                             .add_(step.weight_decay);
  const auto momenta = scale_momenta_.mul(step.momentum).add_(direction);
  scale_momenta_.copy_(torch::where(is_free, momenta, scale_momenta_));
  scales_.copy_(torch::where(is_free, scales_.mul(momenta.mul(-step.learning_rate).exp_()), scales_));
}

void PlaneBank::give_scale_gradients(const torch::Tensor& gradient, const std::vector<double>& has_gradient) {
  const auto gradients = sums_over_groups(gradient.mul(rounded_)).to(scales_.scalar_type());
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (has_gradient[i] != 0) {
      groups_[i].weight->planes().scale.mutable_grad() = gradients[static_cast<int64_t>(i)];
    }
  }
}

void PlaneBank::refresh() {
  torch::NoGradGuard no_grad;
  // In plane_sum()'s order: a run that is resumed computes Q of the same bits.
  const auto digits = planes_[0].sub(planes_[1]).mul_(digits_);
  rounded_.copy_(digits[0]);
  for (int64_t plane = 1; plane < digits.size(0); ++plane) {
    rounded_.add_(digits[plane]);
  }
  rounded_.div_(levels_).clamp_(-1, 1).mul_(levels_).round_().div_(levels_);
  if (rule_ == StepRule::kRelative) {
    const auto squares = sums_over_groups(rounded_.square());
    const auto is_kept = has_norm_.logical_and(squares.gt(0)).logical_and_(norms_.gt(0));
    const auto kept = norms_.div(squares.sqrt_()).to(scales_.scalar_type());
    scales_.copy_(torch::where(is_kept, kept, scales_));
  }
  torch::mul_out(values_, rounded_, over_blocks(scales_));
}

}  // namespace bsq
