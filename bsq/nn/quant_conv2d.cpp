#include "bsq/nn/quant_conv2d.h"

#include <torch/nn/functional/conv.h>
#include <torch/nn/functional/padding.h>
#include <torch/nn/modules/conv.h>

#include <ostream>
#include <variant>
#include <vector>

#include "bsq/nn/layer_gradients.h"
#include "bsq/nn/wide_arithmetic.h"

namespace bsq {
namespace {

namespace F = torch::nn::functional;
using std::get_if;  // and, by its argument, that of the variant which the libtorch in use has

// What each side of the image is padded with where the convolution itself cannot: the last dimension first.
std::vector<int64_t> pads_of(const QuantConv2dOptions& options) {
  std::vector<int64_t> pads;
  for (const size_t dim : {1, 0}) {
    if (const auto* numbers = get_if<torch::ExpandingArray<2>>(&options.padding())) {
      pads.insert(pads.end(), 2, (**numbers)[dim]);
      continue;
    }
    const bool is_same = get_if<torch::enumtype::kSame>(&options.padding()) != nullptr;
    const int64_t total = is_same ? (*options.dilation())[dim] * ((*options.kernel_size())[dim] - 1) : 0;
    pads.push_back(total / 2);
    pads.push_back(total - total / 2);
  }
  return pads;
}

F::PadFuncOptions::mode_t mode_of(const QuantConv2dOptions& options) {
  if (get_if<torch::enumtype::kReflect>(&options.padding_mode()) != nullptr) {
    return torch::kReflect;
  }
  if (get_if<torch::enumtype::kReplicate>(&options.padding_mode()) != nullptr) {
    return torch::kReplicate;
  }
  return torch::kCircular;
}

}  // namespace

QuantConv2dImpl::QuantConv2dImpl(const QuantConv2dOptions& options)
    : QuantConv2dImpl(options, torch::nn::Conv2dImpl(options)) {}

QuantConv2dImpl::QuantConv2dImpl(const QuantConv2dOptions& options, const torch::nn::Conv2dImpl& initial)
    : QuantModule(initial.weight, initial.bias), options(options) {}

torch::Tensor QuantConv2dImpl::forward(const torch::Tensor& input) {
  const auto weight = weight_like(input);
  const auto bias = bias_like(input);
  auto output = gradient() ? with_fast_arithmetic(input, weight, bias,
                                                  [this](const auto&... operands) {
                                                    return forward_with_gradient(operands...);
                                                  })
                           : convolve(input, weight, bias);
  if (probe_) {
    probe_(input, weight, output);
  }
  return output;
}

torch::Tensor QuantConv2dImpl::convolve(const torch::Tensor& input, const torch::Tensor& weight,
                                        const torch::Tensor& bias) const {
  return with_fast_arithmetic(input, weight, bias,
                              [this](const auto&... operands) { return plain_convolution(operands...); });
}

torch::Tensor QuantConv2dImpl::plain_convolution(const torch::Tensor& input, const torch::Tensor& weight,
                                                 const torch::Tensor& bias) const {
  if (get_if<torch::enumtype::kZeros>(&options.padding_mode()) != nullptr) {
    return F::detail::conv2d(input, weight, bias, options.stride(), options.padding(), options.dilation(),
                             options.groups());
  }
  const auto padded = F::pad(input, F::PadFuncOptions(pads_of(options)).mode(mode_of(options)));
  return F::detail::conv2d(padded, weight, bias, options.stride(), torch::ExpandingArray<2>(0),
                           options.dilation(), options.groups());
}

// Padding that is not the same number of zeros on both sides is an operation of its own.
torch::Tensor QuantConv2dImpl::forward_with_gradient(const torch::Tensor& input, const torch::Tensor& weight,
                                                     const torch::Tensor& bias) const {
  const bool has_zeros = get_if<torch::enumtype::kZeros>(&options.padding_mode()) != nullptr;
  const auto* padding = get_if<torch::ExpandingArray<2>>(&options.padding());
  ConvolutionNumbers numbers{*options.stride(), {0, 0}, *options.dilation(), options.groups()};
  if (has_zeros && padding != nullptr) {
    numbers.padding = **padding;
    return conv2d_with(gradient(), input, weight, bias, numbers);
  }
  const auto padded = has_zeros ? torch::constant_pad_nd(input, pads_of(options))
                                : F::pad(input, F::PadFuncOptions(pads_of(options)).mode(mode_of(options)));
  return conv2d_with(gradient(), padded, weight, bias, numbers);
}

void QuantConv2dImpl::pretty_print(std::ostream& stream) const {
  print_layer(stream, "bsq::QuantConv2d", *this);
}

}  // namespace bsq
