#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <memory>

#include "bsq/methods/bsq/plane_weight.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/network.h"
#include "bsq/nn/network_state.h"
#include "bsq/nn/quant_conv2d.h"
#include "bsq/nn/quant_linear.h"
#include "tests/bsq/methods/bsq/support.h"

namespace bsq::test {

/// What a network's weights can be in training.
enum class Form { kFloat, kPlanes, kFrozen };
constexpr Form kForms[] = {Form::kFloat, Form::kPlanes, Form::kFrozen};

/// One of everything: quantizable convolutions without and with a bias, batch norm, a quantized activation, a
/// float convolution, a quantizable linear layer. 827 weights and biases that can hold bits. Images
/// (B, 3, any, any).
class SmallNetwork : public Network {
 public:
  static constexpr int64_t kWeights = 3 * 8 * 9 + 8 * 8 * 9 + 8 + 8 * 3 + 3;

  explicit SmallNetwork(int64_t activation_bits = 4) : Network(describe(activation_bits)) {
    register_methods();  // so that it can be loaded in every form
    conv1 = register_module("conv1", QuantConv2d(QuantConv2dOptions(3, 8, 3).padding(1).bias(false)));
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(8));
    relu1 = register_module("relu1", ActivationQuantizer(ActivationQuantizerOptions(activation_bits)));
    conv2 = register_module("conv2", QuantConv2d(QuantConv2dOptions(8, 8, 3).padding(1)));
    shortcut = register_module("shortcut", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, 8, 1).bias(false)));
    fc = register_module("fc", QuantLinear(8, 3));
  }

  torch::Tensor forward(const torch::Tensor& images) override {
    const auto x = relu1(bn1(conv1(images)));
    return fc(torch::relu(conv2(x) + shortcut(x)).flatten(/*start_dim=*/2).mean(/*dim=*/2));
  }

  QuantConv2d conv1{nullptr}, conv2{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr};
  ActivationQuantizer relu1{nullptr};
  torch::nn::Conv2d shortcut{nullptr};
  QuantLinear fc{nullptr};

 private:
  static NetworkDescription describe(int64_t activation_bits) {
    NetworkDescription description;
    description.architecture = "small";
    description.classes = 3;
    description.activation_bits = activation_bits;
    return description;
  }
};

/// A weight as training leaves it: a float one, real-valued planes of 4 bits, or a q of 4 bits between the
/// points of its grid.
inline std::unique_ptr<WeightSource> random_source(Form form, const Shape& shape,
                                                   torch::ScalarType type = torch::kFloat32) {
  if (form == Form::kPlanes) {
    return std::make_unique<PlaneWeight>(real_planes(shape, /*bits=*/4, type));
  }
  if (form == Form::kFrozen) {
    const auto scale = torch::rand({}, type).add_(0.1);
    return std::make_unique<MasterWeight>(torch::rand(shape, type).mul_(2).sub_(1),
                                          std::make_unique<GridQuantizer>(sign_magnitude(4), scale));
  }
  return std::make_unique<MasterWeight>(torch::randn(shape, type).set_requires_grad(true));
}

/// Gives a layer, or every layer of a network, such weights. Float ones stay as they are.
inline void bring_layer_to(QuantLayer& layer, Form form, torch::ScalarType type = torch::kFloat32) {
  if (form == Form::kFloat) {
    return;
  }
  layer.set_weight(random_source(form, layer.weight_source().shape().vec(), type));
  if (layer.bias_source() != nullptr) {
    layer.set_bias(random_source(form, layer.bias_source()->shape().vec(), type));
  }
}
inline void bring_to(torch::nn::Module& network, Form form, torch::ScalarType type = torch::kFloat32) {
  for (const auto& [name, layer] : quant_layers(network)) {
    bring_layer_to(*layer, form, type);
  }
}

/// A weight of planes of these integers.
inline std::unique_ptr<WeightSource> plane_source(const torch::Tensor& integers, int64_t bits,
                                                  float scale = 0.5F) {
  return std::make_unique<PlaneWeight>(planes_of(integers, bits, torch::tensor(scale)));
}

/// The planes of a source; another kind of source is a test failure.
inline BitPlanes& planes_in(WeightSource& source) { return dynamic_cast<PlaneWeight&>(source).planes(); }

/// A copy of what a source computes with.
inline torch::Tensor value_in(const WeightSource& source) {
  torch::NoGradGuard no_grad;
  return source.value().detach().clone();
}

/// The entry of that name; a missing one is a test failure.
inline StoredTensor& entry_in(NetworkState& state, const std::string& name) {
  const auto found =
      std::find_if(state.begin(), state.end(), [&](const auto& item) { return item.first == name; });
  EXPECT_NE(found, state.end()) << name;
  return found->second;
}

inline bool same_stored_part(const torch::Tensor& a, const torch::Tensor& b) {
  if (!a.defined() || !b.defined()) {
    return a.defined() == b.defined();
  }
  return a.scalar_type() == b.scalar_type() && torch::equal(a, b);
}

/// Whether two stored tensors are the same, value by value.
inline bool same_stored(const StoredTensor& a, const StoredTensor& b) {
  return a.encoding == b.encoding && a.source == b.source && a.bits == b.bits && a.format == b.format &&
         same_stored_part(a.value, b.value) && same_stored_part(a.positive, b.positive) &&
         same_stored_part(a.negative, b.negative) && same_stored_part(a.scale, b.scale) &&
         same_stored_part(a.offset, b.offset);
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
