#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

#include "bsq/nn/folded_weight.h"
#include "bsq/nn/quant_conv2d.h"

namespace bsq {

// Training of a convolution whose weight is quantized with the gain of the batch norm behind it
// (bsq/nn/folded_weight.h), after BNFusionTrain, with its errors mended: the output has no term in beta and R
// times r/b, and the variance that normalizes is the biased one.

/// gamma / sqrt(V + eps) of a norm, (channels), differentiable in gamma. V is a constant.
torch::Tensor norm_gain(const torch::nn::BatchNorm2dImpl& norm);

/// The layer's folded weight; null for a weight of another kind.
FoldedWeight* folded_weight(QuantConv2dImpl& layer);

/// Whether the layer and the norm behind it train as one: the weight is folded, and the norm in training. In
/// evaluation each computes on its own.
bool trains_folded(QuantConv2dImpl& layer, const torch::nn::BatchNorm2dImpl& norm);

/// Layer and norm in training, as one operation; give it where trains_folded() is true. With
///   o = conv(x, Q(W)) + bias,   M and B the mean and the biased variance of o, channel by channel,
///   R and V moved towards M and N/(N-1) B by the norm's momentum,
///   r = sqrt(V + eps) of the new V,   b = sqrt(B + eps):
///   y = conv(x, Q(W gamma/r)) r/b + beta - gamma (M - bias)/b.
/// Gradients flow through both convolutions, M, b, gamma and beta; R, V and r are constants. The layer's bias
/// gets none: M takes it out. Without quantization y and every gradient are those of the convolution and the
/// batch norm, to rounding.
///
/// It computes two convolutions. The norm's tensors are tracked as a batch norm tracks them, and the weight's
/// gain becomes gamma/r. Statistics are in the norm's type, y is in the type of x.
///
/// x: (N, in, H, W). Throws std::invalid_argument where a channel has one value only.
torch::Tensor folded_conv_norm(QuantConv2dImpl& layer, torch::nn::BatchNorm2dImpl& norm,
                               const torch::Tensor& x);

}  // namespace bsq
