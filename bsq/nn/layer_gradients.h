#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>

#include "bsq/nn/gradient_quantizer.h"

namespace bsq {

/// Numbers of a 2-d convolution with zero padding.
struct ConvolutionNumbers {
  std::array<int64_t, 2> stride, padding, dilation;  ///< of height and width
  int64_t groups = 1;
};

/// A convolution of one forward pass whose backward pass has two gradients: with g what arrives and q what
/// the quantizer makes of it, dx is of q; dweight and dbias are of g, or of q where the quantizer is for
/// weights too (Banner et al., arXiv 1805.11046, section 5: gradient bifurcation). The values are those of
/// conv2d(). `bias` may be undefined. Where nothing in front of the layer needs a gradient, nothing is
/// quantized for it.
torch::Tensor conv2d_with(const SharedGradientQuantizer& gradient, const torch::Tensor& input,
                          const torch::Tensor& weight, const torch::Tensor& bias,
                          const ConvolutionNumbers& numbers);

/// The same of a linear layer: input (..., in), weight (out, in), bias (out) or undefined.
torch::Tensor linear_with(const SharedGradientQuantizer& gradient, const torch::Tensor& input,
                          const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace bsq
