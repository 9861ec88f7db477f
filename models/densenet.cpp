#include <stdexcept>
#include <string>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// The densely connected network for small images; with Bottleneck and a compression of 2 it is DenseNet-BC.
class DenseNet : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("depth", &depth_, "layers: 6n+4 with Bottleneck, 3n+4 with BasicBlock")
        .range(7, 2000)
        .resume(ResumeRule::kFixed);
    table.add("block-name", &block_name_, "dense block")
        .one_of({"BasicBlock", "Bottleneck"})
        .resume(ResumeRule::kFixed);
    table.add("growth-rate", &growth_rate_, "channels that a block adds")
        .alias("growthRate")
        .range(1, 1024)
        .resume(ResumeRule::kFixed);
    table.add("compression-rate", &compression_rate_, "what a transition divides the channels by")
        .alias("compressionRate")
        .range(1, 64)
        .resume(ResumeRule::kFixed);
    table.add("drop", &drop_, "rate of dropout at the end of a block")
        .range(0, 0.99)
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    const int64_t blocks = blocks_per_stage();
    auto x = b.conv("conv1", image, 2 * growth_rate_, /*kernel=*/3);
    for (int64_t stage = 1; stage <= 3; ++stage) {
      for (int64_t block = 0; block < blocks; ++block) {
        const auto scope = b.scope("dense" + std::to_string(stage) + "." + std::to_string(block));
        x = dense_block(b, x);
      }
      if (stage < 3) {
        const auto scope = b.scope("trans" + std::to_string(stage));
        x = transition(b, x);
      }
    }
    x = b.activation("relu", b.norm("bn", x));
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

 private:
  bool has_bottlenecks() const { return block_name_ == "Bottleneck"; }

  int64_t blocks_per_stage() const {
    const int64_t layers = has_bottlenecks() ? 6 : 3;
    if ((depth_ - 4) % layers != 0) {
      throw std::invalid_argument("depth " + std::to_string(depth_) + " of a DenseNet of " + block_name_ +
                                  "s; expected " + std::to_string(layers) + "n+4");
    }
    return (depth_ - 4) / layers;
  }

  Value dense_block(Builder& b, Value x) const {
    auto y = b.activation("relu1", b.norm("bn1", x));
    if (has_bottlenecks()) {
      y = b.conv("conv1", y, 4 * growth_rate_, /*kernel=*/1);
      y = b.conv("conv2", b.activation("relu2", b.norm("bn2", y)), growth_rate_, /*kernel=*/3);
    } else {
      y = b.conv("conv1", y, growth_rate_, /*kernel=*/3);
    }
    return b.concat({x, b.dropout("dropout", y, drop_)});
  }

  Value transition(Builder& b, Value x) const {
    const int64_t planes = b.shape(x)[0] / compression_rate_;
    x = b.conv("conv1", b.activation("relu", b.norm("bn1", x)), planes, /*kernel=*/1);
    return b.average_pool(x, {/*kernel=*/2, /*stride=*/2, /*padding=*/0});
  }

  int64_t depth_ = 100;
  std::string block_name_ = "Bottleneck";
  int64_t growth_rate_ = 12;
  int64_t compression_rate_ = 2;
  double drop_ = 0;
};

const ArchitectureRegistration<DenseNet> kDenseNet(
    "densenet", "Densely connected network for small images.",
    "Huang et al., Densely connected convolutional networks, CVPR 2017");

}  // namespace
}  // namespace bsq
