#include <stdexcept>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// The pre-activation ResNet for small images. Names of modules are those of the network zoo from which the
/// published BSQ code has its architectures.
class PreResNet : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("depth", &depth_, "layers: 6n+2 with BasicBlock, 9n+2 with Bottleneck")
        .range(8, 2000)
        .resume(ResumeRule::kFixed);
    table.add("block-name", &block_name_, "residual block")
        .one_of({"BasicBlock", "Bottleneck"})
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    const int64_t blocks = blocks_per_layer();
    auto x = b.conv("conv1", image, /*planes=*/16, /*kernel=*/3);
    for (int64_t layer = 1; layer <= 3; ++layer) {
      for (int64_t block = 0; block < blocks; ++block) {
        const auto scope = b.scope("layer" + std::to_string(layer) + "." + std::to_string(block));
        x = residual_block(b, x, /*planes=*/int64_t{8} << layer, layer > 1 && block == 0 ? 2 : 1);
      }
    }
    x = b.activation("relu", b.norm("bn", x));
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

 private:
  bool is_basic() const { return block_name_ == "BasicBlock"; }

  int64_t blocks_per_layer() const {
    const int64_t layers = is_basic() ? 6 : 9;
    if ((depth_ - 2) % layers != 0) {
      throw std::invalid_argument("depth " + std::to_string(depth_) + " of a PreResNet of " + block_name_ +
                                  "s; expected " + std::to_string(layers) + "n+2");
    }
    return (depth_ - 2) / layers;
  }

  Value residual_block(Builder& b, Value x, int64_t planes, int64_t stride) const {
    const int64_t out = is_basic() ? planes : 4 * planes;
    auto y = b.activation("relu1", b.norm("bn1", x));
    y = is_basic() ? b.conv("conv1", y, planes, /*kernel=*/3, stride)
                   : b.conv("conv1", y, planes, /*kernel=*/1);
    y = b.activation("relu2", b.norm("bn2", y));
    y = b.conv("conv2", y, planes, /*kernel=*/3, is_basic() ? 1 : stride);
    if (!is_basic()) {
      y = b.conv("conv3", b.activation("relu3", b.norm("bn3", y)), out, /*kernel=*/1);
    }
    if (stride == 1 && b.shape(x)[0] == out) {
      return b.add(y, x);
    }
    const auto projection = ConvOptions(out, /*kernel=*/1).stride(stride).role(LayerRole::kShortcut);
    return b.add(y, b.conv("downsample.0", x, projection));
  }

  int64_t depth_ = 20;
  std::string block_name_ = "BasicBlock";
};

const ArchitectureRegistration<PreResNet> kPreResNet(
    "preresnet", "Pre-activation residual network for small images, 16, 32 and 64 channels wide.",
    "He et al., Identity mappings in deep residual networks, ECCV 2016");

}  // namespace
}  // namespace bsq
