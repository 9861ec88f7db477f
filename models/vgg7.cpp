#include <string>

#include "models/registry.h"

namespace bsq {
namespace {

/// VGG-7 for images of 32 x 32 pixels: six 3x3 convolutions with batch norms, a max pool after every second
/// one, two linear layers. It keeps libtorch's initialization.
class Vgg7 : public Architecture {
 public:
  Value build(Builder& b, Value image) const override {
    auto x = image;
    for (int64_t layer = 1; layer <= 6; ++layer) {
      const auto number = std::to_string(layer);
      const int64_t planes = int64_t{64} << ((layer + 1) / 2);
      x = b.norm("bn" + number, b.conv("conv" + number, x, planes, /*kernel=*/3));
      x = b.activation("relu" + number, x);
      if (layer % 2 == 0) {
        x = b.max_pool(x, {/*kernel=*/2, /*stride=*/2, /*padding=*/0});
      }
    }
    x = b.activation("relu7", b.linear("fc1", b.flatten(x), /*features=*/1024));
    return b.linear("fc2", x, b.description().classes);
  }
};

const ArchitectureRegistration<Vgg7> kVgg7(
    "vgg7", "Six convolutions and two linear layers, 128 to 512 channels wide, for images of 32 x 32 pixels.",
    "Li et al., Ternary weight networks, 2016, arXiv 1605.04711, section 3");

}  // namespace
}  // namespace bsq
