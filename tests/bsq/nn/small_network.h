#pragma once

#include <torch/torch.h>

#include "bsq/nn/bit_conv2d.h"
#include "bsq/nn/bit_linear.h"
#include "bsq/nn/network.h"
#include "bsq/nn/network_bits.h"
#include "bsq/nn/network_state.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// One of everything: bit convolutions without and with a bias, batch norm, a quantized activation, a float
/// convolution, a bit linear layer. 827 bit weights and biases. Images (B, 3, any, any).
class SmallNetwork : public Network {
 public:
  static constexpr int64_t kBitWeights = 3 * 8 * 9 + 8 * 8 * 9 + 8 + 8 * 3 + 3;

  explicit SmallNetwork(int64_t activation_bits = 4) : Network(describe(activation_bits)) {
    conv1 = register_module("conv1", BitConv2d(BitConv2dOptions(3, 8, 3).padding(1).bias(false)));
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(8));
    relu1 = register_module("relu1", ActivationQuantizer(ActivationQuantizerOptions(activation_bits)));
    conv2 = register_module("conv2", BitConv2d(BitConv2dOptions(8, 8, 3).padding(1)));
    shortcut = register_module("shortcut", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 8, 1).bias(false)));
    fc = register_module("fc", BitLinear(8, 3));
  }

  torch::Tensor forward(const torch::Tensor& images) override {
    const auto x = relu1(bn1(conv1(images)));
    return fc(torch::relu(conv2(x) + shortcut(x)).flatten(/*start_dim=*/2).mean(/*dim=*/2));
  }

  BitConv2d conv1{nullptr}, conv2{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr};
  ActivationQuantizer relu1{nullptr};
  torch::nn::Conv2d shortcut{nullptr};
  BitLinear fc{nullptr};

 private:
  static NetworkDescription describe(int64_t activation_bits) {
    NetworkDescription description;
    description.architecture = "small";
    description.classes = 3;
    description.activation_bits = activation_bits;
    return description;
  }
};

/// Brings a float layer or network into a representation, with real-valued planes where it is in bits.
inline void bring_to(BitParameter& parameter, Representation wanted,
                     torch::ScalarType type = torch::kFloat32) {
  if (wanted != Representation::kFloat) {
    parameter.set_planes(real_planes(parameter.shape().vec(), /*bits=*/4, type));
  }
  if (wanted == Representation::kFrozen) {
    parameter.freeze();
  }
}
inline void bring_to(torch::nn::Module& network, Representation wanted,
                     torch::ScalarType type = torch::kFloat32) {
  for (auto& [name, layer] : bit_layers(network)) {
    layer->change([&](BitParameter& parameter) { bring_to(parameter, wanted, type); });
  }
}

constexpr Representation kRepresentations[] = {Representation::kFloat, Representation::kBits,
                                               Representation::kFrozen};

inline bool same_stored_part(const torch::Tensor& a, const torch::Tensor& b) {
  if (!a.defined() || !b.defined()) {
    return a.defined() == b.defined();
  }
  return a.scalar_type() == b.scalar_type() && torch::equal(a, b);
}

/// Whether two stored tensors are the same, value by value.
inline bool same_stored(const StoredTensor& a, const StoredTensor& b) {
  return a.encoding == b.encoding && a.bits == b.bits && same_stored_part(a.value, b.value) &&
         same_stored_part(a.positive, b.positive) && same_stored_part(a.negative, b.negative) &&
         same_stored_part(a.scale, b.scale);
}

/// Expects two states with the same names, in the same order, and the same values.
inline void expect_same_state(const NetworkState& a, const NetworkState& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].first, b[i].first);
    EXPECT_TRUE(same_stored(a[i].second, b[i].second)) << a[i].first;
  }
}

}  // namespace bsq::test
