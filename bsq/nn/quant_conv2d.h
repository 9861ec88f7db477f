#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/types.h>

#include <functional>

#include "bsq/nn/quant_layer.h"

namespace bsq {

/// Everything that libtorch's Conv2d takes: stride, padding (numbers, "same", "valid"), dilation, groups,
/// bias and every padding mode.
using QuantConv2dOptions = torch::nn::Conv2dOptions;

/// A 2-d convolution whose weight and bias come from weight sources. Input (B, in, H, W), output
/// (B, out, H', W'). Begins with float weights, initialized as libtorch's Conv2d is.
class QuantConv2dImpl : public QuantModule<QuantConv2dImpl> {
 public:
  explicit QuantConv2dImpl(const QuantConv2dOptions& options);
  QuantConv2dImpl(int64_t in_channels, int64_t out_channels, torch::ExpandingArray<2> kernel_size)
      : QuantConv2dImpl(QuantConv2dOptions(in_channels, out_channels, kernel_size)) {}

  /// Writes no member; not const only because torch::nn::Sequential takes no const ones.
  torch::Tensor forward(const torch::Tensor& input);

  /// The convolution of an input with another weight and bias (undefined: none) in place of its own.
  torch::Tensor convolve(const torch::Tensor& input, const torch::Tensor& weight,
                         const torch::Tensor& bias) const;

  /// Told of every forward pass: the input, the weight that it used, and the output.
  using Probe = std::function<void(const torch::Tensor& input, const torch::Tensor& weight,
                                   const torch::Tensor& output)>;
  /// For a method that measures; null: none, as in the beginning. A clone has the same.
  void set_probe(Probe probe) { probe_ = std::move(probe); }

  void pretty_print(std::ostream& stream) const override;

  QuantConv2dOptions options;

 private:
  QuantConv2dImpl(const QuantConv2dOptions& options, const torch::nn::Conv2dImpl& initial);
  torch::Tensor plain_convolution(const torch::Tensor& input, const torch::Tensor& weight,
                                  const torch::Tensor& bias) const;
  torch::Tensor forward_with_gradient(const torch::Tensor& input, const torch::Tensor& weight,
                                      const torch::Tensor& bias) const;

  Probe probe_;
};
TORCH_MODULE(QuantConv2d);

}  // namespace bsq
