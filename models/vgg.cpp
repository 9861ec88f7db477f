#include <map>
#include <string>
#include <vector>

#include "bsq/graph/initialization.h"
#include "models/registry.h"

namespace bsq {
namespace {

/// VGG for small images: 3x3 convolutions with bias and batch norm, five poolings, one linear layer.
class Vgg : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("depth", &depth_, "layers of weights, as the paper counts them")
        .one_of({"11", "13", "16", "19"})
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    static const std::map<std::string, std::vector<int64_t>> kConvolutions = {
        {"11", {1, 1, 2, 2, 2}}, {"13", {2, 2, 2, 2, 2}}, {"16", {2, 2, 3, 3, 3}}, {"19", {2, 2, 4, 4, 4}}};
    static const std::vector<int64_t> kPlanes = {64, 128, 256, 512, 512};
    auto x = image;
    int64_t index = 0;  // within the published list of modules: convolution, norm, ReLU, ..., pooling
    const auto name = [&] { return "features." + std::to_string(index++); };
    for (size_t stage = 0; stage < kPlanes.size(); ++stage) {
      for (int64_t i = 0; i < kConvolutions.at(depth_)[stage]; ++i) {
        x = b.conv(name(), x, ConvOptions(kPlanes[stage], /*kernel=*/3).bias(true));
        x = b.norm(name(), x);
        x = b.activation(name(), x);
      }
      x = b.max_pool(x, {/*kernel=*/2, /*stride=*/2, /*padding=*/0});
      ++index;
    }
    return b.linear("classifier", b.flatten(x), b.description().classes);
  }

  void initialize(const Program& program) const override { draw_fan_out_normal(program); }

 private:
  std::string depth_ = "16";
};

const ArchitectureRegistration<Vgg> kVgg(
    "vgg", "VGG with batch norm for small images.",
    "Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015");

}  // namespace
}  // namespace bsq
