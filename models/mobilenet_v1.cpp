#include <array>
#include <stdexcept>
#include <string>

#include "models/registry.h"
#include "models/stem.h"

namespace bsq {
namespace {

struct Pair {
  int64_t planes, stride;
};
constexpr std::array<Pair, 13> kPairs = {{{64, 1},
                                          {128, 2},
                                          {128, 1},
                                          {256, 2},
                                          {256, 1},
                                          {512, 2},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {512, 1},
                                          {1024, 2},
                                          {1024, 1}}};

/// MobileNet (Howard et al., 2017). In the form for small images the first convolution has stride 1, and the
/// last maps of 32 x 32 pixels have 2 x 2; in ImageNet's form it has stride 2. Module names of BNFusionTrain
/// and of the ImageNet code that it began with, so that state dicts load. Its ReLUs are plain; they are
/// activations all the same, so that methods can quantize them.
class MobileNetV1 : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("multiplier", &multiplier_, "factor of the channels; each layer has the integer part")
        .range(0.05, 4)
        .resume(ResumeRule::kFixed);
    stem_.add_option(table);
  }
  void resolve(const NetworkDescription& description) override { stem_.resolve(description); }

  Value build(Builder& b, Value image) const override {
    auto x = unit(b, "model.0", 0, image,
                  ConvOptions(channels(32), /*kernel=*/3).stride(stem_.is_imagenet() ? 2 : 1));
    for (size_t i = 0; i < kPairs.size(); ++i) {
      const auto path = "model." + std::to_string(i + 1);
      const int64_t in = b.shape(x)[0];
      x = unit(b, path, 0, x, ConvOptions(in, /*kernel=*/3).stride(kPairs[i].stride).groups(in));
      x = unit(b, path, 3, x, ConvOptions(channels(kPairs[i].planes), /*kernel=*/1));
    }
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }

 private:
  int64_t channels(int64_t planes) const {
    return static_cast<int64_t>(multiplier_ * static_cast<double>(planes));
  }

  // Convolution, norm and activation, numbered as in a sequence of modules.
  Value unit(Builder& b, const std::string& path, int64_t first, Value x, const ConvOptions& options) const {
    const auto scope = b.scope(path);
    const auto y = b.norm(std::to_string(first + 1), b.conv(std::to_string(first), x, options));
    return b.activation(std::to_string(first + 2), y,
                        stem_.is_imagenet() ? FloatActivation::kRelu : FloatActivation::kOfKind);
  }

  double multiplier_ = 0.75;
  Stem stem_;
};

const ArchitectureRegistration<MobileNetV1> kMobileNetV1(
    "mobilenet_v1", "MobileNet, depthwise convolutions; a form for small images.",
    "Howard et al., 2017, arXiv 1704.04861");

}  // namespace
}  // namespace bsq
