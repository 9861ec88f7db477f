#include <stdexcept>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// The CIFAR ResNet (He et al., 2015, section 4.2) with the module names of the published BSQ code, so that
/// its state dicts load. conv1's ReLU is not quantized; in each block every activation is.
class ResNet : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table
        .add("depth", &depth_,
             "layers: 6n+2 with BasicBlock, 9n+2 with Bottleneck; 18 means 14 layers, as in the 8-bit "
             "training code")
        .range(8, 2000)
        .resume(ResumeRule::kFixed);
    table.add("block-name", &block_name_, "residual block")
        .one_of({"BasicBlock", "Bottleneck"})
        .resume(ResumeRule::kFixed);
    table
        .add("shortcut", &shortcut_,
             "where the size changes: B, a 1x1 convolution and batch norm, or A, every second pixel and "
             "channels "
             "of zeros")
        .one_of({"A", "B"})
        .resume(ResumeRule::kFixed);
    table.add("quantize-shortcut", &quantize_shortcut_, "give the 1x1 convolutions of shortcuts bits too")
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    const int64_t blocks = blocks_per_layer();
    auto x = b.relu(b.norm("bn1", b.conv("conv1", image, /*planes=*/16, /*kernel=*/3)));
    for (int64_t layer = 1; layer <= 3; ++layer) {
      for (int64_t block = 0; block < blocks; ++block) {
        const auto scope = b.scope("layer" + std::to_string(layer) + "." + std::to_string(block));
        const int64_t planes = int64_t{8} << layer;
        const int64_t stride = layer > 1 && block == 0 ? 2 : 1;
        x = is_basic() ? basic_block(b, x, planes, stride) : bottleneck(b, x, planes, stride);
      }
    }
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

  std::string remark() const override {
    return is_called_18() ? "--depth 18: a ResNet of 14 layers, two blocks in each of three stages, as the "
                            "published 8-bit training code calls it"
                          : "";
  }

 private:
  // The published code of 8-bit training rounds (depth - 2) / 6 down.
  bool is_called_18() const { return is_basic() && depth_ == 18; }

  bool is_basic() const { return block_name_ == "BasicBlock"; }

  int64_t blocks_per_layer() const {
    const int64_t layers = is_basic() ? 6 : 9;
    if ((depth_ - 2) % layers != 0 && !is_called_18()) {
      throw std::invalid_argument("depth " + std::to_string(depth_) + " of a ResNet of " + block_name_ +
                                  "s; expected " + std::to_string(layers) + "n+2");
    }
    return (depth_ - 2) / layers;
  }

  Value basic_block(Builder& b, Value x, int64_t planes, int64_t stride) const {
    auto y = b.activation("relu1", b.norm("bn1", b.conv("conv1", x, planes, /*kernel=*/3, stride)));
    y = b.norm("bn2", b.conv("conv2", y, planes, /*kernel=*/3));
    return b.activation("relu2", b.add(y, shortcut(b, x, planes, stride)));
  }

  Value bottleneck(Builder& b, Value x, int64_t planes, int64_t stride) const {
    const int64_t out = 4 * planes;
    auto y = b.activation("relu1", b.norm("bn1", b.conv("conv1", x, planes, /*kernel=*/1)));
    y = b.activation("relu2", b.norm("bn2", b.conv("conv2", y, planes, /*kernel=*/3, stride)));
    y = b.norm("bn3", b.conv("conv3", y, out, /*kernel=*/1));
    return b.activation("relu3", b.add(y, shortcut(b, x, out, stride)));
  }

  Value shortcut(Builder& b, Value x, int64_t planes, int64_t stride) const {
    if (stride == 1 && b.shape(x)[0] == planes) {
      return x;
    }
    if (shortcut_ == "A") {
      const int64_t added = planes - b.shape(x)[0];
      const auto pixels = b.average_pool(x, {/*kernel=*/1, stride, /*padding=*/0});
      return b.pad_channels(pixels, added / 2, added - added / 2);
    }
    const auto role = quantize_shortcut_ ? LayerRole::kInner : LayerRole::kShortcut;
    const auto options = ConvOptions(planes, /*kernel=*/1).stride(stride).role(role);
    return b.norm("downsample.1", b.conv("downsample.0", x, options));
  }

  int64_t depth_ = 20;
  std::string block_name_ = "BasicBlock";
  std::string shortcut_ = "B";
  bool quantize_shortcut_ = false;
};

const ArchitectureRegistration<ResNet> kResNet(
    "resnet", "Residual network for small images, 16, 32 and 64 channels wide.",
    "He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2");

}  // namespace
}  // namespace bsq
