#include "models/resnet_blocks.h"

namespace bsq {
namespace {

ActivationQuantizer activation(const NetworkDescription& description) {
  return ActivationQuantizer(ActivationQuantizerOptions(description.activation_bits)
                                 .batch_range(description.activation_range == ActivationRange::kBatch));
}

// Empty where input and output have the same shape.
torch::nn::Sequential shortcut(const BlockOptions& options, int64_t expansion) {
  torch::nn::Sequential branch;
  const int64_t out = options.planes * expansion;
  if (options.stride == 1 && options.in_planes == out) {
    return branch;
  }
  if (options.description.quantize_shortcut) {
    branch->push_back(bit_conv(options.in_planes, out, /*kernel=*/1, options.stride));
  } else {
    branch->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(options.in_planes, out, /*kernel_size=*/1)
                                            .stride(options.stride)
                                            .bias(false)));
  }
  branch->push_back(torch::nn::BatchNorm2d(out));
  return branch;
}

}  // namespace

BitConv2d bit_conv(int64_t in_planes, int64_t planes, int64_t kernel, int64_t stride) {
  return BitConv2d(
      BitConv2dOptions(in_planes, planes, kernel).stride(stride).padding(kernel / 2).bias(false));
}

BasicBlockImpl::BasicBlockImpl(const BlockOptions& options) {
  conv1_ =
      register_module("conv1", bit_conv(options.in_planes, options.planes, /*kernel=*/3, options.stride));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(options.planes));
  relu1_ = register_module("relu1", activation(options.description));
  conv2_ = register_module("conv2", bit_conv(options.planes, options.planes, /*kernel=*/3, /*stride=*/1));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(options.planes));
  downsample_ = shortcut(options, kExpansion);
  if (!downsample_->is_empty()) {
    register_module("downsample", downsample_);
  }
  relu2_ = register_module("relu2", activation(options.description));
}

torch::Tensor BasicBlockImpl::forward(const torch::Tensor& x) {
  const auto inner = relu1_(bn1_(conv1_(x)));
  const auto identity = downsample_->is_empty() ? x : downsample_->forward(x);
  return relu2_(bn2_(conv2_(inner)) + identity);
}

BottleneckImpl::BottleneckImpl(const BlockOptions& options) {
  const int64_t out = options.planes * kExpansion;
  conv1_ = register_module("conv1", bit_conv(options.in_planes, options.planes, /*kernel=*/1, /*stride=*/1));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(options.planes));
  relu1_ = register_module("relu1", activation(options.description));
  conv2_ = register_module("conv2", bit_conv(options.planes, options.planes, /*kernel=*/3, options.stride));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(options.planes));
  relu2_ = register_module("relu2", activation(options.description));
  conv3_ = register_module("conv3", bit_conv(options.planes, out, /*kernel=*/1, /*stride=*/1));
  bn3_ = register_module("bn3", torch::nn::BatchNorm2d(out));
  downsample_ = shortcut(options, kExpansion);
  if (!downsample_->is_empty()) {
    register_module("downsample", downsample_);
  }
  relu3_ = register_module("relu3", activation(options.description));
}

torch::Tensor BottleneckImpl::forward(const torch::Tensor& x) {
  const auto narrow = relu1_(bn1_(conv1_(x)));
  const auto inner = relu2_(bn2_(conv2_(narrow)));
  const auto identity = downsample_->is_empty() ? x : downsample_->forward(x);
  return relu3_(bn3_(conv3_(inner)) + identity);
}

}  // namespace bsq
