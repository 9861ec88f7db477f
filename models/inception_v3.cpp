#include <string>

#include "models/registry.h"

namespace bsq {
namespace {

/// Inception-v3 (Szegedy et al., 2016) in torchvision's layout and with its names, without the auxiliary
/// classifier, for images of 299 x 299 pixels. torchvision's published weights take images that are
/// normalized with means and standard deviations of 0.5.
class InceptionV3 : public Architecture {
 public:
  void add_options(OptionTable& table) override {
    table.add("drop", &drop_, "dropout rate in front of the classifier")
        .range(0, 0.999)
        .resume(ResumeRule::kFixed);
  }

  Value build(Builder& b, Value image) const override {
    auto x = unit(b, "Conv2d_1a_3x3", image, valid(32, 3, 2));
    x = unit(b, "Conv2d_2a_3x3", x, valid(32, 3));
    x = unit(b, "Conv2d_2b_3x3", x, ConvOptions(64, 3));
    x = b.max_pool(x, {/*kernel=*/3, /*stride=*/2});
    x = unit(b, "Conv2d_3b_1x1", x, ConvOptions(80, 1));
    x = unit(b, "Conv2d_4a_3x3", x, valid(192, 3));
    x = b.max_pool(x, {/*kernel=*/3, /*stride=*/2});
    x = mixed_5(b, "Mixed_5b", x, /*pool_planes=*/32);
    x = mixed_5(b, "Mixed_5c", x, /*pool_planes=*/64);
    x = mixed_5(b, "Mixed_5d", x, /*pool_planes=*/64);
    x = mixed_6a(b, x);
    x = mixed_6(b, "Mixed_6b", x, /*planes=*/128);
    x = mixed_6(b, "Mixed_6c", x, /*planes=*/160);
    x = mixed_6(b, "Mixed_6d", x, /*planes=*/160);
    x = mixed_6(b, "Mixed_6e", x, /*planes=*/192);
    x = mixed_7a(b, x);
    x = mixed_7(b, "Mixed_7b", x);
    x = mixed_7(b, "Mixed_7c", x);
    x = b.dropout("dropout", b.global_average_pool(x), drop_);
    return b.linear("fc", x, b.description().classes);
  }

  std::vector<std::string> training_only() const override { return {"AuxLogits."}; }

 private:
  // Without padding.
  static ConvOptions valid(int64_t planes, int64_t kernel, int64_t stride = 1) {
    return ConvOptions(planes, kernel).stride(stride).padding(0);
  }
  static ConvOptions row(int64_t planes, int64_t length) { return ConvOptions(planes, Extent(1, length)); }
  static ConvOptions column(int64_t planes, int64_t length) { return ConvOptions(planes, Extent(length, 1)); }

  static Value unit(Builder& b, const std::string& name, Value x, const ConvOptions& options) {
    const auto scope = b.scope(name);
    const auto y = b.norm("bn", b.conv("conv", x, options), /*epsilon=*/1e-3);
    return b.activation("relu", y, FloatActivation::kRelu);
  }

  static Value pooled(Builder& b, Value x, int64_t planes) {
    const auto y = b.average_pool(x, {/*kernel=*/3, /*stride=*/1, /*padding=*/1});
    return unit(b, "branch_pool", y, ConvOptions(planes, 1));
  }

  // Figure 5 of the paper.
  static Value mixed_5(Builder& b, const std::string& name, Value x, int64_t pool_planes) {
    const auto scope = b.scope(name);
    const auto one = unit(b, "branch1x1", x, ConvOptions(64, 1));
    auto five = unit(b, "branch5x5_1", x, ConvOptions(48, 1));
    five = unit(b, "branch5x5_2", five, ConvOptions(64, 5));
    auto three = unit(b, "branch3x3dbl_1", x, ConvOptions(64, 1));
    three = unit(b, "branch3x3dbl_2", three, ConvOptions(96, 3));
    three = unit(b, "branch3x3dbl_3", three, ConvOptions(96, 3));
    return b.concat({one, five, three, pooled(b, x, pool_planes)});
  }

  // Figure 10: fewer pixels.
  static Value mixed_6a(Builder& b, Value x) {
    const auto scope = b.scope("Mixed_6a");
    const auto three = unit(b, "branch3x3", x, valid(384, 3, 2));
    auto twice = unit(b, "branch3x3dbl_1", x, ConvOptions(64, 1));
    twice = unit(b, "branch3x3dbl_2", twice, ConvOptions(96, 3));
    twice = unit(b, "branch3x3dbl_3", twice, valid(96, 3, 2));
    return b.concat({three, twice, b.max_pool(x, {/*kernel=*/3, /*stride=*/2})});
  }

  // Figure 6: rows and columns of 7.
  static Value mixed_6(Builder& b, const std::string& name, Value x, int64_t planes) {
    const auto scope = b.scope(name);
    const auto one = unit(b, "branch1x1", x, ConvOptions(192, 1));
    auto seven = unit(b, "branch7x7_1", x, ConvOptions(planes, 1));
    seven = unit(b, "branch7x7_2", seven, row(planes, 7));
    seven = unit(b, "branch7x7_3", seven, column(192, 7));
    auto twice = unit(b, "branch7x7dbl_1", x, ConvOptions(planes, 1));
    twice = unit(b, "branch7x7dbl_2", twice, column(planes, 7));
    twice = unit(b, "branch7x7dbl_3", twice, row(planes, 7));
    twice = unit(b, "branch7x7dbl_4", twice, column(planes, 7));
    twice = unit(b, "branch7x7dbl_5", twice, row(192, 7));
    return b.concat({one, seven, twice, pooled(b, x, 192)});
  }

  static Value mixed_7a(Builder& b, Value x) {
    const auto scope = b.scope("Mixed_7a");
    auto three = unit(b, "branch3x3_1", x, ConvOptions(192, 1));
    three = unit(b, "branch3x3_2", three, valid(320, 3, 2));
    auto seven = unit(b, "branch7x7x3_1", x, ConvOptions(192, 1));
    seven = unit(b, "branch7x7x3_2", seven, row(192, 7));
    seven = unit(b, "branch7x7x3_3", seven, column(192, 7));
    seven = unit(b, "branch7x7x3_4", seven, valid(192, 3, 2));
    return b.concat({three, seven, b.max_pool(x, {/*kernel=*/3, /*stride=*/2})});
  }

  // Figure 7: rows and columns of 3 side by side.
  static Value mixed_7(Builder& b, const std::string& name, Value x) {
    const auto scope = b.scope(name);
    const auto one = unit(b, "branch1x1", x, ConvOptions(320, 1));
    const auto three = unit(b, "branch3x3_1", x, ConvOptions(384, 1));
    const auto three_row = unit(b, "branch3x3_2a", three, row(384, 3));
    const auto three_column = unit(b, "branch3x3_2b", three, column(384, 3));
    auto twice = unit(b, "branch3x3dbl_1", x, ConvOptions(448, 1));
    twice = unit(b, "branch3x3dbl_2", twice, ConvOptions(384, 3));
    const auto twice_row = unit(b, "branch3x3dbl_3a", twice, row(384, 3));
    const auto twice_column = unit(b, "branch3x3dbl_3b", twice, column(384, 3));
    return b.concat({one, three_row, three_column, twice_row, twice_column, pooled(b, x, 192)});
  }

  double drop_ = 0.5;
};

const ArchitectureRegistration<InceptionV3> kInceptionV3(
    "inception_v3", "Inception-v3 for images of 299 x 299 pixels, torchvision's names.",
    "Szegedy et al., Rethinking the inception architecture, CVPR 2016, arXiv 1512.00567");

}  // namespace
}  // namespace bsq
