#include "bsq/quant/norm_act_ste.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "bsq/base/ranks_holder.h"
#include "bsq/kernels/norm_act_kernels.h"

namespace bsq {
namespace {

using norm_act::Activation;
using norm_act::ChannelAffine;
using OptionalTensor = c10::optional<torch::Tensor>;  // autograd functions take no undefined tensors
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Activation activation_of(const ActivationCall& call) {
  Activation result;
  result.levels = call.bits == 0 ? 0 : std::ldexp(1.0, static_cast<int>(call.bits)) - 1;
  switch (call.function) {
    case ActivationCall::Function::kIdentity:
      break;
    case ActivationCall::Function::kRelu:
      result.low = 0;
      break;
    case ActivationCall::Function::kRelu6:
      result.low = 0;
      result.high = 6;
      break;
    case ActivationCall::Function::kPact:
      result.high = call.alpha.item<float>();
      result.low = std::min(0.0F, result.high);
      result.closed = true;
      break;
  }
  return result;
}

const float* floats(const torch::Tensor& tensor) { return tensor.data_ptr<float>(); }

torch::Tensor tensor_of(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64).to(torch::kFloat32);
}

/// The numbers of one call by channel, rows of a (5, C) float32 tensor between forward and backward.
struct ChannelNumbers {
  std::vector<float> mean, inverse_deviation, weight;
  ChannelAffine affine;

  ChannelNumbers(const std::vector<double>& means, const std::vector<double>& variances,
                 const BatchNormTensors& norm) {
    for (size_t c = 0; c < means.size(); ++c) {
      const double inverse = 1 / std::sqrt(variances[c] + norm.eps);
      mean.push_back(static_cast<float>(means[c]));
      inverse_deviation.push_back(static_cast<float>(inverse));
      weight.push_back(floats(norm.weight)[c]);
      const double slope = weight[c] * inverse;
      affine.slope.push_back(static_cast<float>(slope));
      affine.shift.push_back(static_cast<float>(floats(norm.bias)[c] - means[c] * slope));
    }
  }

  explicit ChannelNumbers(const torch::Tensor& saved) {
    const auto row = [&](int64_t index) {
      const float* first = floats(saved) + index * saved.size(1);
      return std::vector<float>(first, first + saved.size(1));
    };
    mean = row(0);
    inverse_deviation = row(1);
    weight = row(2);
    affine = {row(3), row(4)};
  }

  torch::Tensor saved() const {
    auto result = torch::empty({5, static_cast<int64_t>(mean.size())}, torch::kFloat32);
    float* target = result.data_ptr<float>();
    for (const auto* row : {&mean, &inverse_deviation, &weight, &affine.slope, &affine.shift}) {
      target = std::copy(row->begin(), row->end(), target);
    }
    return result;
  }
};

void update_running(const BatchNormTensors& norm, const norm_act::ChannelStatistics& statistics,
                    double count) {
  float* mean = norm.running_mean.data_ptr<float>();
  float* variance = norm.running_var.data_ptr<float>();
  const double unbiased = count / (count - 1);
  for (size_t c = 0; c < statistics.mean.size(); ++c) {
    mean[c] = static_cast<float>((1 - norm.momentum) * mean[c] + norm.momentum * statistics.mean[c]);
    variance[c] = static_cast<float>((1 - norm.momentum) * variance[c] +
                                     norm.momentum * unbiased * statistics.variance[c]);
  }
}

std::vector<double> doubles(const torch::Tensor& tensor) {
  return {floats(tensor), floats(tensor) + tensor.numel()};
}

struct Forward {
  ChannelNumbers numbers;
  float range;
  double count;  // values of a channel that the statistics are of
};

/// A batch's statistics and how many values of a channel they are of.
struct CountedStatistics {
  norm_act::ChannelStatistics statistics;
  double count = 0;
};

// One rank's statistics as (5, C) float64: count, mean, variance, least, largest.
torch::Tensor rows_of(const CountedStatistics& own) {
  const auto& [statistics, count] = own;
  const auto channels = static_cast<int64_t>(statistics.mean.size());
  auto rows = torch::empty({5, channels}, torch::kFloat64);
  double* target = rows.data_ptr<double>();
  target = std::fill_n(target, channels, count);
  target = std::copy(statistics.mean.begin(), statistics.mean.end(), target);
  target = std::copy(statistics.variance.begin(), statistics.variance.end(), target);
  target = std::copy(statistics.least.begin(), statistics.least.end(), target);
  std::copy(statistics.largest.begin(), statistics.largest.end(), target);
  return rows;
}

// Of all ranks' images: the mean of means and, of the variance, what is within and what is between ranks.
CountedStatistics over_ranks(Ranks& ranks, const CountedStatistics& own) {
  const auto parts = ranks.gather(rows_of(own));
  CountedStatistics all = own;
  auto& statistics = all.statistics;
  for (size_t c = 0; c < statistics.mean.size(); ++c) {
    double count = 0, sum = 0, squares = 0;
    const auto number = [&](const torch::Tensor& part, int64_t row) {
      return part.data_ptr<double>()[row * part.size(1) + static_cast<int64_t>(c)];
    };
    for (const auto& part : parts) {
      count += number(part, 0);
      sum += number(part, 0) * number(part, 1);
    }
    const double mean = sum / count;
    for (const auto& part : parts) {
      const double apart = number(part, 1) - mean;
      squares += number(part, 0) * (number(part, 2) + apart * apart);
      statistics.least[c] = std::min(statistics.least[c], static_cast<float>(number(part, 3)));
      statistics.largest[c] = std::max(statistics.largest[c], static_cast<float>(number(part, 4)));
    }
    statistics.mean[c] = mean;
    statistics.variance[c] = squares / count;
    all.count = count;
  }
  return all;
}

float largest_of_ranks(Ranks* ranks, float range) {
  return ranks == nullptr ? range : largest(*ranks, torch::tensor({range})).item<float>();
}

Forward prepare(const torch::Tensor& x, const torch::Tensor& residual, const BatchNormTensors& norm,
                const ActivationCall& call, const Activation& activation, Ranks* ranks) {
  const bool needs_range = call.bits > 0 && !call.range;
  float range = static_cast<float>(call.range.value_or(0));
  if (!norm.is_training) {
    ChannelNumbers numbers(doubles(norm.running_mean), doubles(norm.running_var), norm);
    if (needs_range) {
      range = largest_activation(x, residual, numbers.affine, activation);
    }
    return {std::move(numbers), range, 0};
  }
  CountedStatistics found{norm_act::channel_statistics(x), static_cast<double>(x.numel() / x.size(1))};
  if (ranks != nullptr) {
    found = over_ranks(*ranks, found);
  }
  const auto& statistics = found.statistics;
  update_running(norm, statistics, found.count);
  ChannelNumbers numbers(statistics.mean, statistics.variance, norm);
  if (needs_range) {
    range = residual.defined()
                ? largest_of_ranks(ranks, largest_activation(x, residual, numbers.affine, activation))
                : largest_activation(statistics, numbers.affine, activation);
  }
  return {std::move(numbers), range, found.count};
}

torch::Tensor channels_last(const torch::Tensor& x) {
  return x.contiguous(torch::MemoryFormat::ChannelsLast);
}

// The sums that the gradient of x takes, of all ranks' images.
norm_act::GradientSums over_ranks(Ranks* ranks, norm_act::GradientSums sums) {
  if (ranks == nullptr) {
    return sums;
  }
  const auto channels = static_cast<int64_t>(sums.sum.size());
  auto both = torch::empty({2, channels}, torch::kFloat64);
  double* target = std::copy(sums.sum.begin(), sums.sum.end(), both.data_ptr<double>());
  std::copy(sums.product.begin(), sums.product.end(), target);
  const auto all = ordered_sum(*ranks, both);
  const double* first = all.data_ptr<double>();
  sums.sum.assign(first, first + channels);
  sums.product.assign(first + channels, first + 2 * channels);
  return sums;
}

struct NormAct : torch::autograd::Function<NormAct> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& x,
                               const OptionalTensor& optional_residual, const torch::Tensor& weight,
                               const torch::Tensor& bias, const OptionalTensor& alpha, BatchNormTensors norm,
                               ActivationCall call, double* range) {
    const auto residual = optional_residual.value_or(torch::Tensor());
    norm.weight = weight;
    norm.bias = bias;
    call.alpha = alpha.value_or(torch::Tensor());
    const auto activation = activation_of(call);
    auto* ranks = norm.is_training ? statistics_ranks() : nullptr;
    const auto prepared = prepare(x, residual, norm, call, activation, ranks);
    *range = prepared.range;
    context->save_for_backward({x, residual, prepared.numbers.saved()});
    context->saved_data["low"] = static_cast<double>(activation.low);
    context->saved_data["high"] = static_cast<double>(activation.high);
    context->saved_data["closed"] = activation.closed;
    context->saved_data["training"] = norm.is_training;
    context->saved_data["count"] = prepared.count;
    context->saved_data["ranks"] = held(ranks);
    context->saved_data["residual"] = residual.defined();
    context->set_materialize_grads(false);
    const auto value = norm_act::apply(x, residual, prepared.numbers.affine, activation, prepared.range);
    return {value, value.variable_data()};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    const auto& residual = saved[1];
    const ChannelNumbers numbers(saved[2]);
    Activation activation;
    activation.low = static_cast<float>(context->saved_data["low"].to<double>());
    activation.high = static_cast<float>(context->saved_data["high"].to<double>());
    activation.closed = context->saved_data["closed"].toBool();
    const auto [gradient, second] = defined_first(gradients, x.scalar_type());
    const auto sums = gradient_sums(gradient, second, x, residual, numbers.affine, numbers.mean, activation);
    const bool is_passed = sums.passed.defined();
    const auto of_x = input_gradient(
        is_passed ? sums.passed : gradient, is_passed, x, numbers.affine,
        input_numbers(numbers, over_ranks(ranks_in(context->saved_data["ranks"]), sums),
                      context->saved_data["count"].toDouble(), context->saved_data["training"].toBool()),
        activation);
    std::vector<double> of_weight(sums.product);
    for (size_t c = 0; c < of_weight.size(); ++c) {
      of_weight[c] *= numbers.inverse_deviation[c];
    }
    const auto of_alpha =
        activation.closed ? torch::tensor(sums.above, torch::kFloat64).to(torch::kFloat32) : torch::Tensor();
    const bool has_residual = context->saved_data["residual"].toBool();
    return {of_x,
            has_residual ? sums.passed : torch::Tensor(),
            tensor_of(of_weight),
            tensor_of(sums.sum),
            of_alpha,
            torch::Tensor(),
            torch::Tensor(),
            torch::Tensor()};
  }

  // The gradients of the two results; the second is undefined where only one was read.
  static std::pair<torch::Tensor, torch::Tensor> defined_first(const variable_list& gradients,
                                                               torch::ScalarType type) {
    const auto prepared = [&](const torch::Tensor& gradient) {
      return gradient.defined() ? channels_last(gradient.to(type)) : gradient;
    };
    const size_t first = gradients[0].defined() ? 0 : 1;
    return {prepared(gradients[first]), first == 0 ? prepared(gradients[1]) : torch::Tensor()};
  }

  // Of running statistics, which are constants, only the slope is left.
  static norm_act::InputGradientNumbers input_numbers(const ChannelNumbers& numbers,
                                                      const norm_act::GradientSums& sums, double count,
                                                      bool is_training) {
    norm_act::InputGradientNumbers result;
    result.mean = numbers.mean;
    result.gain = numbers.affine.slope;
    for (size_t c = 0; c < numbers.mean.size(); ++c) {
      const double gain = is_training ? numbers.affine.slope[c] / count : 0.0;
      const double inverse = numbers.inverse_deviation[c];
      result.tilt.push_back(static_cast<float>(-gain * inverse * inverse * sums.product[c]));
      result.level.push_back(static_cast<float>(-gain * sums.sum[c]));
    }
    return result;
  }
};

OptionalTensor optional(const torch::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : OptionalTensor();
}

}  // namespace

bool can_norm_act(const torch::Tensor& x) { return norm_act::can_serve(x); }

NormActResult norm_act_ste(const torch::Tensor& x, const torch::Tensor& residual,
                           const BatchNormTensors& norm, const ActivationCall& activation) {
  NormActResult result;
  const auto sum_with = residual.defined() ? channels_last(residual.to(x.scalar_type())) : torch::Tensor();
  const auto both = NormAct::apply(channels_last(x), optional(sum_with), norm.weight, norm.bias,
                                   optional(activation.alpha), norm, activation, &result.range);
  result.value = both[0];
  result.again = both[1];
  return result;
}

}  // namespace bsq
