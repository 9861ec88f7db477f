#include <string>

#include "models/registry.h"

namespace bsq {
namespace {

/// ResNet-18 for small images: the stem is a 3x3 convolution of stride 1, and no max pool follows. Names are
/// torchvision's. It keeps libtorch's initialization.
class ResNet18 : public Architecture {
 public:
  Value build(Builder& b, Value image) const override {
    auto x = b.relu(b.norm("bn1", b.conv("conv1", image, /*planes=*/64, /*kernel=*/3)));
    for (int64_t layer = 1; layer <= 4; ++layer) {
      for (int64_t block = 0; block < 2; ++block) {
        const auto scope = b.scope("layer" + std::to_string(layer) + "." + std::to_string(block));
        x = basic_block(b, x, int64_t{32} << layer, /*stride=*/layer > 1 && block == 0 ? 2 : 1);
      }
    }
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

 private:
  static Value basic_block(Builder& b, Value x, int64_t planes, int64_t stride) {
    auto y = b.activation("relu1", b.norm("bn1", b.conv("conv1", x, planes, /*kernel=*/3, stride)));
    y = b.norm("bn2", b.conv("conv2", y, planes, /*kernel=*/3));
    return b.activation("relu2", b.add(y, shortcut(b, x, planes, stride)));
  }

  static Value shortcut(Builder& b, Value x, int64_t planes, int64_t stride) {
    if (stride == 1 && b.shape(x)[0] == planes) {
      return x;
    }
    const auto options = ConvOptions(planes, /*kernel=*/1).stride(stride).role(LayerRole::kShortcut);
    return b.norm("downsample.1", b.conv("downsample.0", x, options));
  }
};

const ArchitectureRegistration<ResNet18> kResNet18(
    "resnet18", "Residual network of 18 layers for small images, 64 to 512 channels wide.",
    "He et al., Deep residual learning for image recognition, CVPR 2016, table 1");

}  // namespace
}  // namespace bsq
