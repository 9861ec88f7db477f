#include <string>

#include "models/registry.h"

namespace bsq {
namespace {

/// AlexNet for small images: five convolutions with bias, three poolings, no norm, one linear layer.
class AlexNet : public Architecture {
 public:
  Value build(Builder& b, Value image) const override {
    const Window pooling{/*kernel=*/2, /*stride=*/2, /*padding=*/0};
    auto x = layer(b, 0, image, ConvOptions(64, /*kernel=*/11).stride(4));
    x = layer(b, 3, b.max_pool(x, pooling), ConvOptions(192, /*kernel=*/5));
    x = layer(b, 6, b.max_pool(x, pooling), ConvOptions(384, /*kernel=*/3));
    x = layer(b, 8, x, ConvOptions(256, /*kernel=*/3));
    x = layer(b, 10, x, ConvOptions(256, /*kernel=*/3));
    return b.linear("classifier", b.flatten(b.max_pool(x, pooling)), b.description().classes);
  }

 private:
  // `index`: of the convolution within the published list of modules.
  static Value layer(Builder& b, int64_t index, Value x, ConvOptions options) {
    x = b.conv("features." + std::to_string(index), x, options.bias(true));
    return b.activation("features." + std::to_string(index + 1), x);
  }
};

const ArchitectureRegistration<AlexNet> kAlexNet(
    "alexnet", "AlexNet for small images.",
    "Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NeurIPS 2012");

}  // namespace
}  // namespace bsq
