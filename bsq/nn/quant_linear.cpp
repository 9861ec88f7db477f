#include "bsq/nn/quant_linear.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/modules/linear.h>

#include <ostream>

namespace bsq {

QuantLinearImpl::QuantLinearImpl(const QuantLinearOptions& options)
    : QuantLinearImpl(torch::nn::LinearImpl(options)) {}

QuantLinearImpl::QuantLinearImpl(const torch::nn::LinearImpl& initial)
    : QuantModule(initial.weight, initial.bias), options(initial.options) {}

torch::Tensor QuantLinearImpl::forward(const torch::Tensor& input) {
  return torch::nn::functional::linear(input, weight_like(input), bias_like(input));
}

void QuantLinearImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::QuantLinear", *this);
}

}  // namespace bsq
