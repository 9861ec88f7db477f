#include <array>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"
#include "models/stem.h"

namespace bsq {
namespace {

/// The residual networks of ImageNet (He et al., 2016) with torchvision's names, so that its files load.
/// Their stem is a 7x7 convolution of stride 2 and a max pool; that for small images is a 3x3 convolution of
/// stride
/// 1. A bottleneck has its stride at the 3x3 convolution, as torchvision has it.
class ImageNetResNet : public Architecture {
 public:
  ImageNetResNet(const std::array<int64_t, 4>& blocks, bool has_bottlenecks)
      : blocks_(blocks), has_bottlenecks_(has_bottlenecks) {}

  void add_options(OptionTable& table) override { stem_.add_option(table); }
  void resolve(const NetworkDescription& description) override { stem_.resolve(description); }

  Value build(Builder& b, Value image) const override {
    auto x = stem(b, image);
    for (int64_t layer = 1; layer <= 4; ++layer) {
      for (int64_t number = 0; number < blocks_[static_cast<size_t>(layer - 1)]; ++number) {
        const auto scope = b.scope("layer" + std::to_string(layer) + "." + std::to_string(number));
        x = block(b, x, int64_t{32} << layer, /*stride=*/layer > 1 && number == 0 ? 2 : 1);
      }
    }
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

  // The small form keeps libtorch's initialization.
  void initialize(const Program& program) const override {
    if (stem_.is_imagenet()) {
      draw_fan_out_normal(program);
    }
  }

 private:
  Value stem(Builder& b, Value image) const {
    if (!stem_.is_imagenet()) {
      return b.relu(b.norm("bn1", b.conv("conv1", image, /*planes=*/64, /*kernel=*/3)));
    }
    const auto x = b.conv("conv1", image, /*planes=*/64, /*kernel=*/7, /*stride=*/2);
    return b.max_pool(b.relu(b.norm("bn1", x)), {/*kernel=*/3, /*stride=*/2, /*padding=*/1});
  }

  Value block(Builder& b, Value x, int64_t planes, int64_t stride) const {
    if (!has_bottlenecks_) {
      const auto y = unit(b, 1, x, ConvOptions(planes, /*kernel=*/3).stride(stride));
      return end(b, 2, y, ConvOptions(planes, /*kernel=*/3), shortcut(b, x, planes, stride));
    }
    auto y = unit(b, 1, x, ConvOptions(planes, /*kernel=*/1));
    y = unit(b, 2, y, ConvOptions(planes, /*kernel=*/3).stride(stride));
    return end(b, 3, y, ConvOptions(4 * planes, /*kernel=*/1), shortcut(b, x, 4 * planes, stride));
  }

  // Convolution, norm and activation of this number in their block.
  Value unit(Builder& b, int64_t number, Value x, const ConvOptions& options) const {
    const auto text = std::to_string(number);
    return activation(b, number, b.norm("bn" + text, b.conv("conv" + text, x, options)));
  }

  Value end(Builder& b, int64_t number, Value x, const ConvOptions& options, Value beside) const {
    const auto text = std::to_string(number);
    const auto y = b.norm("bn" + text, b.conv("conv" + text, x, options));
    return activation(b, number, b.add(y, beside));
  }

  Value activation(Builder& b, int64_t number, Value x) const {
    return b.activation("relu" + std::to_string(number), x,
                        stem_.is_imagenet() ? FloatActivation::kRelu : FloatActivation::kOfKind);
  }

  static Value shortcut(Builder& b, Value x, int64_t planes, int64_t stride) {
    if (stride == 1 && b.shape(x)[0] == planes) {
      return x;
    }
    const auto options = ConvOptions(planes, /*kernel=*/1).stride(stride).role(LayerRole::kShortcut);
    return b.norm("downsample.1", b.conv("downsample.0", x, options));
  }

  std::array<int64_t, 4> blocks_;
  bool has_bottlenecks_;
  Stem stem_;
};

template <int64_t kFirst, int64_t kSecond, int64_t kThird, int64_t kFourth, bool kHasBottlenecks>
class ResNetOf : public ImageNetResNet {
 public:
  ResNetOf() : ImageNetResNet({kFirst, kSecond, kThird, kFourth}, kHasBottlenecks) {}
};

constexpr const char* kSource = "He et al., Deep residual learning for image recognition, CVPR 2016, table 1";

const ArchitectureRegistration<ResNetOf<2, 2, 2, 2, false>> kResNet18(
    "resnet18", "Residual network of 18 layers, torchvision's names; a form for small images.", kSource);
const ArchitectureRegistration<ResNetOf<3, 4, 6, 3, false>> kResNet34(
    "resnet34", "Residual network of 34 layers, torchvision's names; a form for small images.", kSource);
const ArchitectureRegistration<ResNetOf<3, 4, 6, 3, true>> kResNet50(
    "resnet50", "Residual network of 50 layers, torchvision's names; a form for small images.", kSource);
const ArchitectureRegistration<ResNetOf<3, 4, 23, 3, true>> kResNet101(
    "resnet101", "Residual network of 101 layers, torchvision's names; a form for small images.", kSource);

}  // namespace
}  // namespace bsq
