#include <stdexcept>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// The wide residual network for small images: pre-activation blocks of two 3x3 convolutions.
class WideResNet : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("depth", &depth_, "layers: 6n+4").range(10, 2000).resume(ResumeRule::kFixed);
    table.add("widen-factor", &widen_factor_, "channels are 16, 32 and 64 times this")
        .range(1, 64)
        .resume(ResumeRule::kFixed);
    table.add("drop", &drop_, "rate of dropout between the convolutions of a block")
        .range(0, 0.99)
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    if ((depth_ - 4) % 6 != 0) {
      throw std::invalid_argument("depth " + std::to_string(depth_) + " of a wide ResNet; expected 6n+4");
    }
    auto x = b.conv("conv1", image, /*planes=*/16, /*kernel=*/3);
    for (int64_t group = 1; group <= 3; ++group) {
      for (int64_t block = 0; block < (depth_ - 4) / 6; ++block) {
        const auto scope = b.scope("block" + std::to_string(group) + ".layer." + std::to_string(block));
        x = wide_block(b, x, widen_factor_ * (int64_t{8} << group), group > 1 && block == 0 ? 2 : 1);
      }
    }
    x = b.activation("relu", b.norm("bn1", x));
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

 private:
  // Where the width changes, both ways read the activation.
  Value wide_block(Builder& b, Value x, int64_t planes, int64_t stride) const {
    const bool is_same = b.shape(x)[0] == planes;
    const auto active = b.activation("relu1", b.norm("bn1", x));
    auto y = b.activation("relu2", b.norm("bn2", b.conv("conv1", active, planes, /*kernel=*/3, stride)));
    y = b.conv("conv2", b.dropout("dropout", y, drop_), planes, /*kernel=*/3);
    if (is_same) {
      return b.add(y, x);
    }
    const auto projection = ConvOptions(planes, /*kernel=*/1).stride(stride).role(LayerRole::kShortcut);
    return b.add(y, b.conv("convShortcut", active, projection));
  }

  int64_t depth_ = 28;
  int64_t widen_factor_ = 10;
  double drop_ = 0;
};

const ArchitectureRegistration<WideResNet> kWideResNet(
    "wrn", "Wide residual network for small images.",
    "Zagoruyko and Komodakis, Wide residual networks, BMVC 2016");

}  // namespace
}  // namespace bsq
