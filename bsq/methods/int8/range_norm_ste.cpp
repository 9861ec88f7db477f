#include "bsq/methods/int8/range_norm_ste.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "bsq/base/ranks_holder.h"
#include "bsq/kernels/range_norm_kernels.h"
#include "bsq/nn/gradient_holder.h"

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// In the type to compute in, and where it has four axes with the channels last in memory: the rows of that
// order are what is cut into chunks.
torch::Tensor prepared(const torch::Tensor& x) {
  const auto wide = x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32);
  return wide.dim() == 4 ? wide.contiguous(torch::MemoryFormat::ChannelsLast) : wide.contiguous();
}

// The same memory as (M, C).
torch::Tensor rows_of(const torch::Tensor& x) {
  return x.dim() == 4 ? x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)}) : x;
}

// From (M, C) to the shape of `like`.
torch::Tensor like_images(const torch::Tensor& rows, const torch::Tensor& like) {
  return like.dim() == 4
             ? rows.view({like.size(0), like.size(2), like.size(3), like.size(1)}).permute({0, 3, 1, 2})
             : rows;
}

RangeStatistics statistics_of(const torch::Tensor& x, int64_t chunks) {
  if (can_use_range_norm_kernels(x)) {
    return range_statistics_kernel(x, chunks);
  }
  const auto rows = rows_of(x);
  const auto cut = rows.view({chunks, -1, rows.size(1)});
  const auto [low, low_index] = cut.min(1);
  const auto [high, high_index] = cut.max(1);
  const auto first = torch::arange(chunks, low_index.options()).mul_(cut.size(1)).unsqueeze_(1);
  return {rows.mean(0), low.mean(0), high.mean(0), low_index.add(first), high_index.add(first)};
}

torch::Tensor normalized(const torch::Tensor& x, const torch::Tensor& mean, const torch::Tensor& factor,
                         const torch::Tensor& shift) {
  return can_use_range_norm_kernels(x) ? normalize_kernel(x, mean, factor, shift)
                                       : like_images(rows_of(x).sub(mean).mul_(factor).add_(shift), x);
}

GradientSums sums_of(const torch::Tensor& gradient, const torch::Tensor& x, const torch::Tensor& mean) {
  if (can_use_range_norm_kernels(x) && can_use_range_norm_kernels(gradient)) {
    return gradient_sums_kernel(gradient, x, mean);
  }
  const auto rows = rows_of(gradient);
  return {rows.sum(0), rows_of(x).sub(mean).mul_(rows).sum(0)};
}

/// What a batch gives, of all ranks' images: rank by rank the chunks of its own images.
struct BatchRange {
  RangeStatistics own;  ///< its rows are those of this rank
  torch::Tensor mean, low, high;
  double rows = 0, chunks = 0;
};

BatchRange range_of_batch(const torch::Tensor& x, int64_t chunks, Ranks* ranks) {
  const auto own = statistics_of(x, chunks);
  const auto rows = static_cast<double>(x.numel() / x.size(1));
  if (ranks == nullptr) {
    return {own, own.mean, own.low, own.high, rows, static_cast<double>(chunks)};
  }
  const auto wide = [](const torch::Tensor& numbers, double weight) {
    return numbers.to(torch::kFloat64).mul(weight);
  };
  const auto count = static_cast<double>(chunks);
  const auto ones = torch::ones_like(own.mean);
  const auto sums =
      ordered_sum(*ranks, torch::stack({wide(own.mean, rows), wide(own.low, count), wide(own.high, count),
                                        wide(ones, rows), wide(ones, count)}));
  const auto mean = [&](int64_t sum, int64_t weight) {
    return sums[sum].div(sums[weight]).to(own.mean.scalar_type());
  };
  return {own, mean(0, 3), mean(1, 4), mean(2, 4), sums[3][0].item<double>(), sums[4][0].item<double>()};
}

GradientSums over_ranks(Ranks* ranks, const GradientSums& own) {
  if (ranks == nullptr) {
    return own;
  }
  const auto sums = ordered_sum(*ranks, torch::stack({own.gradient, own.product}));
  return {sums[0], sums[1]};
}

struct RangeNormFunction : torch::autograd::Function<RangeNormFunction> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& given,
                               const torch::Tensor& gamma, const torch::Tensor& beta, int64_t most_chunks,
                               double eps, const SharedGradientQuantizer& gradient) {
    const auto x = prepared(given);
    auto* ranks = statistics_ranks();
    const int64_t most = ranks == nullptr ? most_chunks : std::max<int64_t>(1, most_chunks / ranks->count());
    const int64_t chunks = range_chunks(x.numel() / x.size(1), most);
    const auto found = range_of_batch(x, chunks, ranks);
    const double constant = range_constant(std::llround(found.rows / found.chunks));
    const auto sigma = found.high.sub(found.low).mul_(constant);
    const auto inverse = sigma.add(eps).reciprocal_();
    context->save_for_backward({x, gamma, found.mean, inverse, found.own.low_row, found.own.high_row});
    context->saved_data["share"] = constant / found.chunks;
    context->saved_data["rows"] = found.rows;
    context->saved_data["ranks"] = held(ranks);
    context->saved_data["gradient"] = held(gradient);
    const auto y =
        normalized(x, found.mean, gamma.to(x.scalar_type()).mul(inverse), beta.to(x.scalar_type()));
    context->mark_non_differentiable({found.mean, sigma});
    return {y.to(given.scalar_type()), found.mean, sigma};
  }

  static variable_list backward(AutogradContext* context, variable_list arrived) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &mean = saved[2], &inverse = saved[3];
    const auto gamma = saved[1].to(x.scalar_type());
    const auto quantizer = quantizer_in(context->saved_data["gradient"]);
    const auto wanted = prepared(arrived[0]);
    const auto gradient = quantizer ? quantizer->quantize(wanted) : wanted;
    const auto sums = sums_of(gradient, x, mean);
    const auto factor = gamma * inverse;
    const auto all = over_ranks(ranks_in(context->saved_data["ranks"]), sums);
    const double rows = context->saved_data["rows"].toDouble();
    auto dx = normalized(gradient, all.gradient.div(rows), factor, torch::zeros_like(factor));
    const auto at_extremes =
        all.product.mul(gamma).mul_(inverse.square()).mul_(-context->saved_data["share"].toDouble());
    add_at(dx, saved[5], at_extremes);
    add_at(dx, saved[4], at_extremes.neg());
    return {dx.to(arrived[0].scalar_type()),
            sums.product.mul(inverse).to(saved[1].scalar_type()),
            sums.gradient.to(saved[1].scalar_type()),
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor()};
  }

 private:
  // Adds a number a channel at these rows, (chunks, C).
  static void add_at(torch::Tensor& x, const torch::Tensor& row, const torch::Tensor& number) {
    auto rows = x.dim() == 4 ? x.permute({0, 2, 3, 1}).view({-1, x.size(1)}) : x;
    rows.scatter_add_(0, row, number.expand(row.sizes()));
  }
};

}  // namespace

int64_t range_chunks(int64_t values, int64_t most) {
  for (int64_t chunks = std::min(most, values / 2); chunks >= 1; --chunks) {
    if (values % chunks == 0) {
      return chunks;
    }
  }
  throw std::invalid_argument("range norm: " + std::to_string(values) +
                              " values a channel in a batch; expected 2 or more");
}

double range_constant(int64_t length) {
  const double pi = std::acos(-1.0);
  return 0.175 * (1 + std::sqrt(pi * std::log(4.0))) / std::sqrt(2 * std::log(static_cast<double>(length)));
}

RangeNormResult range_norm_ste(const torch::Tensor& x, const torch::Tensor& gamma, const torch::Tensor& beta,
                               int64_t most_chunks, double eps, const SharedGradientQuantizer& gradient) {
  const auto results = RangeNormFunction::apply(x, gamma, beta, most_chunks, eps, gradient);
  return {results[0], results[1], results[2]};
}

}  // namespace bsq
