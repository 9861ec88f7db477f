#include "models/resnet_blocks.h"

#include "bsq/nn/network.h"

namespace bsq {
namespace {

bool changes_shape(const BlockOptions& options, int64_t out_planes) {
  return options.stride != 1 || options.in_planes != out_planes;
}

}  // namespace

BitConv2d bit_conv(int64_t in_planes, int64_t planes, int64_t kernel, int64_t stride) {
  return BitConv2d(
      BitConv2dOptions(in_planes, planes, kernel).stride(stride).padding(kernel / 2).bias(false));
}

ShortcutImpl::ShortcutImpl(const BlockOptions& options, int64_t out_planes) {
  if (options.description.quantize_shortcut) {
    bits_ = register_module("0", bit_conv(options.in_planes, out_planes, /*kernel=*/1, options.stride));
  } else {
    float_ = register_module(
        "0", FloatConv2d(torch::nn::Conv2dOptions(options.in_planes, out_planes, /*kernel_size=*/1)
                             .stride(options.stride)
                             .bias(false)));
  }
  norm_ = register_module("1", torch::nn::BatchNorm2d(out_planes));
}

torch::Tensor ShortcutImpl::forward(const torch::Tensor& x) {
  return normalize(norm_, bits_.is_empty() ? float_(x) : bits_(x));
}

BasicBlockImpl::BasicBlockImpl(const BlockOptions& options) {
  conv1_ =
      register_module("conv1", bit_conv(options.in_planes, options.planes, /*kernel=*/3, options.stride));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(options.planes));
  relu1_ = register_module("relu1", make_activation(options.description));
  conv2_ = register_module("conv2", bit_conv(options.planes, options.planes, /*kernel=*/3, /*stride=*/1));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(options.planes));
  if (changes_shape(options, options.planes)) {
    downsample_ = register_module("downsample", Shortcut(options, options.planes));
  }
  relu2_ = register_module("relu2", make_activation(options.description));
}

Fork BasicBlockImpl::forward(const Fork& x) {
  const auto inner = normalize_activate(bn1_, relu1_, conv1_(x.trunk));
  const auto identity = downsample_.is_empty() ? x.branch : downsample_(x.branch);
  return normalize_activate_fork(bn2_, relu2_, conv2_(inner), identity);
}

BottleneckImpl::BottleneckImpl(const BlockOptions& options) {
  const int64_t out = options.planes * kExpansion;
  conv1_ = register_module("conv1", bit_conv(options.in_planes, options.planes, /*kernel=*/1, /*stride=*/1));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(options.planes));
  relu1_ = register_module("relu1", make_activation(options.description));
  conv2_ = register_module("conv2", bit_conv(options.planes, options.planes, /*kernel=*/3, options.stride));
  bn2_ = register_module("bn2", torch::nn::BatchNorm2d(options.planes));
  relu2_ = register_module("relu2", make_activation(options.description));
  conv3_ = register_module("conv3", bit_conv(options.planes, out, /*kernel=*/1, /*stride=*/1));
  bn3_ = register_module("bn3", torch::nn::BatchNorm2d(out));
  if (changes_shape(options, out)) {
    downsample_ = register_module("downsample", Shortcut(options, out));
  }
  relu3_ = register_module("relu3", make_activation(options.description));
}

Fork BottleneckImpl::forward(const Fork& x) {
  const auto narrow = normalize_activate(bn1_, relu1_, conv1_(x.trunk));
  const auto inner = normalize_activate(bn2_, relu2_, conv2_(narrow));
  const auto identity = downsample_.is_empty() ? x.branch : downsample_(x.branch);
  return normalize_activate_fork(bn3_, relu3_, conv3_(inner), identity);
}

}  // namespace bsq
