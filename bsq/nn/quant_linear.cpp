#include "bsq/nn/quant_linear.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/modules/linear.h>

#include <ostream>

#include "bsq/nn/layer_gradients.h"
#include "bsq/nn/wide_arithmetic.h"

namespace bsq {

QuantLinearImpl::QuantLinearImpl(const QuantLinearOptions& options)
    : QuantLinearImpl(torch::nn::LinearImpl(options)) {}

QuantLinearImpl::QuantLinearImpl(const torch::nn::LinearImpl& initial)
    : QuantModule(initial.weight, initial.bias), options(initial.options) {}

torch::Tensor QuantLinearImpl::forward(const torch::Tensor& input) {
  const auto weight = weight_like(input);
  const auto bias = bias_like(input);
  return with_fast_arithmetic(input, weight, bias, [this](const auto&... operands) {
    return gradient() ? linear_with(gradient(), operands...) : torch::nn::functional::linear(operands...);
  });
}

void QuantLinearImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::QuantLinear", *this);
}

}  // namespace bsq
