#include <stdexcept>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// ResNeXt for small images: bottlenecks whose 3x3 convolution has groups.
class ResNeXt : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("depth", &depth_, "layers: 9n+2").range(11, 2000).resume(ResumeRule::kFixed);
    table.add("cardinality", &cardinality_, "groups of the 3x3 convolutions")
        .range(1, 256)
        .resume(ResumeRule::kFixed);
    table.add("base-width", &base_width_, "channels of a group in the first stage; they double twice")
        .range(1, 1024)
        .resume(ResumeRule::kFixed);
    table.add("widen-factor", &widen_factor_, "blocks give 64, 128 and 256 channels times this")
        .range(1, 64)
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    if ((depth_ - 2) % 9 != 0) {
      throw std::invalid_argument("depth " + std::to_string(depth_) + " of a ResNeXt; expected 9n+2");
    }
    auto x = b.relu(b.norm("bn_1", b.conv("conv_1_3x3", image, /*planes=*/64, /*kernel=*/3)));
    for (int64_t stage = 1; stage <= 3; ++stage) {
      const auto name = "stage_" + std::to_string(stage);
      for (int64_t block = 0; block < (depth_ - 2) / 9; ++block) {
        const auto scope = b.scope(name + "." + name + "_bottleneck_" + std::to_string(block));
        x = bottleneck(b, x, stage, stage > 1 && block == 0 ? 2 : 1);
      }
    }
    return b.linear("classifier", b.global_average_pool(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

 private:
  Value bottleneck(Builder& b, Value x, int64_t stage, int64_t stride) const {
    const int64_t inner = cardinality_ * (base_width_ << (stage - 1));
    const int64_t out = widen_factor_ * (int64_t{32} << stage);
    auto y = b.activation("relu_reduce", b.norm("bn_reduce", b.conv("conv_reduce", x, inner, /*kernel=*/1)));
    const auto grouped = ConvOptions(inner, /*kernel=*/3).stride(stride).groups(cardinality_);
    y = b.activation("relu_conv", b.norm("bn", b.conv("conv_conv", y, grouped)));
    y = b.norm("bn_expand", b.conv("conv_expand", y, out, /*kernel=*/1));
    return b.activation("relu", b.add(y, shortcut(b, x, out, stride)));
  }

  Value shortcut(Builder& b, Value x, int64_t planes, int64_t stride) const {
    if (stride == 1 && b.shape(x)[0] == planes) {
      return x;
    }
    const auto projection = ConvOptions(planes, /*kernel=*/1).stride(stride).role(LayerRole::kShortcut);
    return b.norm("shortcut.shortcut_bn", b.conv("shortcut.shortcut_conv", x, projection));
  }

  int64_t depth_ = 29;
  int64_t cardinality_ = 8;
  int64_t base_width_ = 64;
  int64_t widen_factor_ = 4;
};

const ArchitectureRegistration<ResNeXt> kResNeXt(
    "resnext", "ResNeXt for small images: residual bottlenecks with grouped convolutions.",
    "Xie et al., Aggregated residual transformations for deep neural networks, CVPR 2017");

}  // namespace
}  // namespace bsq
