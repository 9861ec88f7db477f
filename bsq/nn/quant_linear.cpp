#include "bsq/nn/quant_linear.h"

#include <torch/nn/functional/linear.h>
#include <torch/nn/modules/linear.h>

#include <ostream>

#include "bsq/nn/layer_gradients.h"

namespace bsq {

QuantLinearImpl::QuantLinearImpl(const QuantLinearOptions& options)
    : QuantLinearImpl(torch::nn::LinearImpl(options)) {}

QuantLinearImpl::QuantLinearImpl(const torch::nn::LinearImpl& initial)
    : QuantModule(initial.weight, initial.bias), options(initial.options) {}

torch::Tensor QuantLinearImpl::forward(const torch::Tensor& input) {
  const auto weight = weight_like(input);
  const auto bias = bias_like(input);
  return gradient() ? linear_with(gradient(), input, weight, bias)
                    : torch::nn::functional::linear(input, weight, bias);
}

void QuantLinearImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::QuantLinear", *this);
}

}  // namespace bsq
