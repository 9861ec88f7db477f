#pragma once

#include <torch/torch.h>

#include "bsq/graph/norm_activation.h"
#include "bsq/nn/bit_conv2d.h"
#include "bsq/nn/float_conv2d.h"
#include "bsq/nn/network_description.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

struct BlockOptions {
  int64_t in_planes;
  int64_t planes;
  int64_t stride;
  const NetworkDescription& description;
};

/// The identity branch where the shape changes: a float (or, with quantize_shortcut, bit-capable) 1x1
/// convolution "0" and batch norm "1".
class ShortcutImpl : public torch::nn::Module {
 public:
  ShortcutImpl(const BlockOptions& options, int64_t out_planes);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  FloatConv2d float_{nullptr};
  BitConv2d bits_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
};
TORCH_MODULE(Shortcut);

/// A block takes its input twice, for its first convolution and for its shortcut, and gives its output so.
class ResidualBlock : public torch::nn::Module {
 public:
  virtual Fork forward(const Fork& x) = 0;
};

/// conv3x3, bn, relu1, conv3x3, bn, + shortcut, relu2.
class BasicBlockImpl : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 1;
  explicit BasicBlockImpl(const BlockOptions& options);
  Fork forward(const Fork& x) override;

 private:
  BitConv2d conv1_{nullptr}, conv2_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr};
  ActivationQuantizer relu1_{nullptr}, relu2_{nullptr};
  Shortcut downsample_{nullptr};
};
TORCH_MODULE(BasicBlock);

/// conv1x1, bn, relu1, conv3x3, bn, relu2, conv1x1 to 4 planes, bn, + shortcut, relu3.
class BottleneckImpl : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 4;
  explicit BottleneckImpl(const BlockOptions& options);
  Fork forward(const Fork& x) override;

 private:
  BitConv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr}, bn3_{nullptr};
  ActivationQuantizer relu1_{nullptr}, relu2_{nullptr}, relu3_{nullptr};
  Shortcut downsample_{nullptr};
};
TORCH_MODULE(Bottleneck);

/// A convolution without bias, "same" padding for odd kernels.
BitConv2d bit_conv(int64_t in_planes, int64_t planes, int64_t kernel, int64_t stride);

}  // namespace bsq
