#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "models/registry.h"

namespace bsq {
namespace {

// t, c, n, s of the paper's table 2: expansion, channels, blocks, stride of the first block.
struct Stage {
  int64_t expansion, planes, blocks, stride;
};
constexpr std::array<Stage, 7> kStages = {{{1, 16, 1, 1},
                                           {6, 24, 2, 2},
                                           {6, 32, 3, 2},
                                           {6, 64, 4, 2},
                                           {6, 96, 3, 1},
                                           {6, 160, 3, 2},
                                           {6, 320, 1, 1}}};

/// MobileNetV2 (Sandler et al., 2018) in torchvision's layout and with its names. With --stride-free N the
/// first N of its five strides of 2 are left out, for small images: 32 pixels keep maps of 4 with 2. Its
/// ReLU6 are activations, as --act asks for them. torchvision's dropout in front of the classifier is not
/// there, so that training differs from torchvision's by it; its weights have no tensor of it.
class MobileNetV2 : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("width", &width_, "factor of the channels, which are rounded to multiples of 8")
        .range(0.05, 4)
        .resume(ResumeRule::kFixed);
    table
        .add("stride-free", &stride_free_,
             "number of the network's five strides of 2 that become 1, starting with the first; for small "
             "images")
        .range(0, 5)
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    int64_t free = stride_free_;
    const auto stride = [&](int64_t wanted) { return wanted == 2 && free-- > 0 ? int64_t{1} : wanted; };
    auto x = unit(b, "features.0", image, ConvOptions(channels(32 * width_), /*kernel=*/3).stride(stride(2)));
    int64_t number = 1;
    for (const auto& stage : kStages) {
      for (int64_t block = 0; block < stage.blocks; ++block) {
        const auto path = "features." + std::to_string(number++) + ".conv";
        x = inverted_residual(b, path, x, stage, block == 0 ? stride(stage.stride) : 1);
      }
    }
    const int64_t last = channels(1280 * std::max(1.0, width_));
    x = unit(b, "features." + std::to_string(number), x, ConvOptions(last, /*kernel=*/1));
    return b.linear("classifier.1", b.global_average_pool(x), b.description().classes);
  }

 private:
  // The nearest multiple of 8, but not less than 90 %.
  static int64_t channels(double wanted) {
    const auto rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
    return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
  }

  static Value unit(Builder& b, const std::string& path, Value x, const ConvOptions& options) {
    const auto scope = b.scope(path);
    return b.activation("2", b.norm("1", b.conv("0", x, options)));
  }

  Value inverted_residual(Builder& b, const std::string& path, Value x, const Stage& stage,
                          int64_t stride) const {
    const int64_t in = b.shape(x)[0], planes = channels(static_cast<double>(stage.planes) * width_);
    const int64_t hidden = in * stage.expansion;
    const auto scope = b.scope(path);
    int64_t part = 0;
    auto y = x;
    if (stage.expansion != 1) {
      y = unit(b, std::to_string(part++), y, ConvOptions(hidden, /*kernel=*/1));
    }
    y = unit(b, std::to_string(part++), y, ConvOptions(hidden, /*kernel=*/3).stride(stride).groups(hidden));
    y = b.conv(std::to_string(part++), y, planes, /*kernel=*/1);
    y = b.norm(std::to_string(part), y);
    return stride == 1 && in == planes ? b.add(x, y) : y;
  }

  double width_ = 1;
  int64_t stride_free_ = 0;
};

const ArchitectureRegistration<MobileNetV2> kMobileNetV2(
    "mobilenet_v2", "MobileNetV2, inverted residuals, torchvision's names.",
    "Sandler et al., CVPR 2018, arXiv 1801.04381");

}  // namespace
}  // namespace bsq
