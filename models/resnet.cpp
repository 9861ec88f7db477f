#include "models/resnet.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "bsq/graph/norm_activation.h"
#include "models/resnet_blocks.h"

namespace bsq {
namespace {

constexpr int64_t kMaxDepth = 2000;
constexpr int64_t kMaxClasses = 100000;

int64_t blocks_per_layer(const NetworkDescription& description) {
  const bool is_basic = description.block_name == "BasicBlock";
  if (!is_basic && description.block_name != "Bottleneck") {
    throw std::invalid_argument("block '" + description.block_name + "'; expected BasicBlock or Bottleneck");
  }
  const int64_t layers = is_basic ? 6 : 9;
  if (description.depth <= 2 || description.depth > kMaxDepth || (description.depth - 2) % layers != 0) {
    throw std::invalid_argument("depth " + std::to_string(description.depth) + " of a ResNet of " +
                                description.block_name + "s; expected " + std::to_string(layers) +
                                "n+2, at most " + std::to_string(kMaxDepth));
  }
  return (description.depth - 2) / layers;
}

}  // namespace

ResNetImpl::ResNetImpl(const NetworkDescription& description) : Network(description) {
  const int64_t blocks = blocks_per_layer(description);
  if (description.classes < 2 || description.classes > kMaxClasses) {
    throw std::invalid_argument("ResNet: " + std::to_string(description.classes) +
                                " classes; expected 2 or more");
  }
  conv1_ = register_module("conv1", bit_conv(/*in_planes=*/3, /*planes=*/16, /*kernel=*/3, /*stride=*/1));
  bn1_ = register_module("bn1", torch::nn::BatchNorm2d(16));
  layer1_ = register_module("layer1", make_layer(/*planes=*/16, blocks, /*stride=*/1));
  layer2_ = register_module("layer2", make_layer(/*planes=*/32, blocks, /*stride=*/2));
  layer3_ = register_module("layer3", make_layer(/*planes=*/64, blocks, /*stride=*/2));
  fc_ = register_module("fc", BitLinear(in_planes_, description.classes));
  initialize();
}

torch::nn::ModuleList ResNetImpl::make_layer(int64_t planes, int64_t blocks, int64_t stride) {
  torch::nn::ModuleList layer;
  for (int64_t block = 0; block < blocks; ++block) {
    const BlockOptions options{in_planes_, planes, block == 0 ? stride : 1, description()};
    if (description().block_name == "BasicBlock") {
      layer->push_back(BasicBlock(options));
      in_planes_ = planes * BasicBlockImpl::kExpansion;
    } else {
      layer->push_back(Bottleneck(options));
      in_planes_ = planes * BottleneckImpl::kExpansion;
    }
  }
  return layer;
}

// As published: bit-capable convolutions N(0, sqrt(2 / (k k out))); shortcuts and fc as libtorch does.
void ResNetImpl::initialize() {
  torch::NoGradGuard no_grad;
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* conv = dynamic_cast<BitConv2dImpl*>(module.get())) {
      const auto kernel = conv->options.kernel_size();
      const auto fan_out = static_cast<double>(kernel->at(0) * kernel->at(1) * conv->options.out_channels());
      conv->weight_bits().weight().normal_(/*mean=*/0, std::sqrt(2.0 / fan_out));
    }
  }
}

torch::Tensor ResNetImpl::forward(const torch::Tensor& images) {
  auto x = normalize_relu_fork(bn1_, conv1_(images));
  for (const auto& layer : {layer1_, layer2_, layer3_}) {
    for (const auto& block : *layer) {
      x = block->as<ResidualBlock>()->forward(x);
    }
  }
  // The average pool of 8 x 8 pixels, which are all there are.
  const auto type = images.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return fc_(x.trunk.mean({2, 3}, /*keepdim=*/false, type));
}

}  // namespace bsq
