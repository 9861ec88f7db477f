#include "tests/models/hand_written_resnet.h"

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/utils.h>

#include <cmath>

#include "bsq/graph/norm_fork.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/quant_conv2d.h"
#include "bsq/nn/quant_linear.h"

namespace bsq::test {
namespace {

QuantConv2dOptions options_of(int64_t in_planes, int64_t planes, int64_t kernel, int64_t stride) {
  return QuantConv2dOptions(in_planes, planes, kernel).stride(stride).padding(kernel / 2).bias(false);
}

class ShortcutImpl : public torch::nn::Module {
 public:
  ShortcutImpl(int64_t in_planes, int64_t planes, int64_t stride)
      : conv_(register_module("0", QuantConv2d(options_of(in_planes, planes, /*kernel=*/1, stride)))),
        norm_(register_module("1", torch::nn::BatchNorm2d(planes))) {
    conv_->set_role(LayerRole::kShortcut);
  }
  torch::Tensor forward(const torch::Tensor& x) { return norm_fork(*norm_, conv_(x), {}).trunk; }

 private:
  QuantConv2d conv_;
  torch::nn::BatchNorm2d norm_;
};
TORCH_MODULE(Shortcut);

class BlockImpl : public torch::nn::Module {
 public:
  BlockImpl(int64_t in_planes, int64_t planes, int64_t stride, const NetworkDescription& description) {
    conv1_ = register_module("conv1", QuantConv2d(options_of(in_planes, planes, /*kernel=*/3, stride)));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(planes));
    relu1_ = register_module("relu1", make_activation(description));
    conv2_ = register_module("conv2", QuantConv2d(options_of(planes, planes, /*kernel=*/3, /*stride=*/1)));
    bn2_ = register_module("bn2", torch::nn::BatchNorm2d(planes));
    if (in_planes != planes) {
      downsample_ = register_module("downsample", Shortcut(in_planes, planes, stride));
    }
    relu2_ = register_module("relu2", make_activation(description));
  }

  Fork forward(const Fork& x) {
    const auto inner = norm_activation_fork(*bn1_, *relu1_, conv1_(x.trunk), {}).trunk;
    const auto identity = downsample_.is_empty() ? x.branch : downsample_(x.branch);
    return norm_activation_fork(*bn2_, *relu2_, conv2_(inner), identity);
  }

 private:
  QuantConv2d conv1_{nullptr}, conv2_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr}, bn2_{nullptr};
  ActivationQuantizer relu1_{nullptr}, relu2_{nullptr};
  Shortcut downsample_{nullptr};
};
TORCH_MODULE(Block);

class HandWrittenResNet : public Network {
 public:
  HandWrittenResNet(int64_t depth, const NetworkDescription& description) : Network(description) {
    conv1_ = register_module("conv1", QuantConv2d(options_of(3, 16, /*kernel=*/3, /*stride=*/1)));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(16));
    int64_t in_planes = 16;
    for (const int64_t planes : {16, 32, 64}) {
      torch::nn::ModuleList layer;
      for (int64_t block = 0; block < (depth - 2) / 6; ++block) {
        layer->push_back(Block(in_planes, planes, in_planes == planes ? 1 : 2, description));
        in_planes = planes;
      }
      layers_.push_back(register_module("layer" + std::to_string(layers_.size() + 1), layer));
    }
    fc_ = register_module("fc", QuantLinear(64, description.classes));
    initialize();
  }

  torch::Tensor forward(const torch::Tensor& images) override {
    auto x = norm_relu_fork(*bn1_, conv1_(images), {});
    for (const auto& layer : layers_) {
      for (const auto& block : *layer) {
        x = block->as<Block>()->forward(x);
      }
    }
    const auto type = images.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
    return fc_(x.trunk.mean({2, 3}, /*keepdim=*/false, type));
  }

 private:
  void initialize() {
    torch::NoGradGuard no_grad;
    for (const auto& module : modules(/*include_self=*/false)) {
      auto* conv = dynamic_cast<QuantConv2dImpl*>(module.get());
      if (conv != nullptr && conv->role() != LayerRole::kShortcut) {
        const auto fan_out = static_cast<double>(9 * conv->options.out_channels());
        conv->weight_source().value().normal_(/*mean=*/0, std::sqrt(2.0 / fan_out));
      }
    }
  }

  QuantConv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<torch::nn::ModuleList> layers_;
  QuantLinear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> hand_written_resnet(int64_t depth, const NetworkDescription& description) {
  return std::make_shared<HandWrittenResNet>(depth, description);
}

}  // namespace bsq::test
