#pragma once

#include <torch/torch.h>

#include "bsq/nn/bit_conv2d.h"
#include "bsq/nn/bit_linear.h"
#include "bsq/nn/network.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// The CIFAR ResNet (He et al., 2015, section 4.2) with the module names of the published BSQ code, so that
/// its state dicts load: conv1, bn1, layer1..3 of 16, 32, 64 planes, average pool 8, fc. Depth 6n+2 with
/// BasicBlock, 9n+2 with Bottleneck. conv1's ReLU is not quantized; in each block every activation is (relu1,
/// relu2, relu3). Images (B, 3, 32, 32).
class ResNetImpl : public Network {
 public:
  /// Throws std::invalid_argument for a depth, a block name or a class count that cannot be.
  explicit ResNetImpl(const NetworkDescription& description);

  torch::Tensor forward(const torch::Tensor& images) override;

 private:
  torch::nn::ModuleList make_layer(int64_t planes, int64_t blocks, int64_t stride);
  void initialize();

  int64_t in_planes_ = 16;
  BitConv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  torch::nn::ModuleList layer1_{nullptr};
  torch::nn::ModuleList layer2_{nullptr};
  torch::nn::ModuleList layer3_{nullptr};
  BitLinear fc_{nullptr};
};
TORCH_MODULE(ResNet);

}  // namespace bsq
