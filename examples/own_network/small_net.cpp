// A network of your own: four convolutions, each with batch norm and a quantized activation, and a linear
// layer. The last line registers it, so that every program that the file is linked to builds it for `-a
// small_net`.
#include <iterator>
#include <string>

#include "models/registry.h"

namespace {

class SmallNet : public bsq::Architecture {
 public:
  bsq::Value build(bsq::Builder& b, bsq::Value image) const override {
    constexpr int64_t kPlanes[] = {16, 32, 32, 64};
    auto x = image;
    for (size_t i = 0; i < std::size(kPlanes); ++i) {
      const auto number = std::to_string(i);
      x = b.conv("conv." + number, x, kPlanes[i], /*kernel=*/3, /*stride=*/i == 0 ? 1 : 2);
      x = b.activation("activation" + number, b.norm("norm" + number, x));
    }
    return b.linear("fc", b.global_average_pool(x), b.description().classes);
  }
};

const bsq::ArchitectureRegistration<SmallNet> kSmallNet("small_net", "Four convolutions and a linear layer.",
                                                        "an example");

}  // namespace
