#include "bsq/nn/layer_gradients.h"

#include <torch/utils.h>

#include <atomic>
#include <memory>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

/// Turns g into 2 g + 1, so that both gradients can be told apart, and counts.
class Doubling : public GradientQuantizer {
 public:
  explicit Doubling(bool is_for_weights) : is_for_weights_(is_for_weights) {}
  torch::Tensor quantize(const torch::Tensor& gradient) const override {
    ++calls;
    return gradient * 2 + 1;
  }
  bool is_for_weights() const override { return is_for_weights_; }

  mutable std::atomic<int> calls{0};

 private:
  bool is_for_weights_;
};

struct FoundGradients {
  torch::Tensor value, input, weight, bias;
};

template <typename Layer>
FoundGradients gradients_of(Layer& layer, const torch::Tensor& values, const torch::Tensor& arrived) {
  layer->zero_grad();
  const auto x = values.clone().set_requires_grad(true);
  const auto y = layer->forward(x);
  y.backward(arrived);
  const auto parameters = layer->named_parameters();
  const auto* bias = parameters.find("bias");
  return {y.detach(), x.grad().clone(), parameters["weight"].grad().clone(),
          bias == nullptr ? torch::Tensor() : bias->grad().clone()};
}

// The layer's own gradients of g and of 2 g + 1 say what is wanted.
template <typename Layer>
void check_gradients(Layer& layer, const torch::Tensor& x) {
  layer->to(torch::kFloat64);
  const auto g = torch::randn_like(layer->forward(x));
  layer->set_gradient(nullptr);
  const auto plain = gradients_of(layer, x, g), doubled = gradients_of(layer, x, g * 2 + 1);
  for (const bool is_for_weights : {false, true}) {
    const auto quantizer = std::make_shared<Doubling>(is_for_weights);
    layer->set_gradient(quantizer);
    const auto found = gradients_of(layer, x, g);
    const auto& of_weights = is_for_weights ? doubled : plain;
    EXPECT_TRUE(torch::equal(found.value, plain.value));
    EXPECT_TRUE(torch::allclose(found.input, doubled.input));
    EXPECT_TRUE(torch::allclose(found.weight, of_weights.weight));
    if (found.bias.defined()) {
      EXPECT_TRUE(torch::allclose(found.bias, of_weights.bias));
    }
    EXPECT_EQ(quantizer->calls, 1);
  }
}

TEST(LayerGradients, ConvolutionsHaveOneGradientForInputsAndOneForWeights) {
  torch::manual_seed(1);
  const auto base = [](torch::ExpandingArray<2> kernel = 3) { return QuantConv2dOptions(4, 6, kernel); };
  for (const auto& options :
       {base(), base().stride({1, 3}).padding({2, 1}), base().groups(2).padding(1),
        base().dilation(2).padding(2), base().bias(false), base(4).padding(torch::kSame),
        base().padding(torch::kValid), base().padding(1).padding_mode(torch::kReflect),
        base().padding(torch::kSame).padding_mode(torch::kCircular)}) {
    QuantConv2d layer(options);
    check_gradients(layer, torch::randn({3, 4, 9, 8}, torch::kFloat64));
  }
}

TEST(LayerGradients, LinearLayersToo) {
  torch::manual_seed(2);
  for (const bool has_bias : {true, false}) {
    QuantLinear layer(QuantLinearOptions(5, 4).bias(has_bias));
    check_gradients(layer, torch::randn({3, 5}, torch::kFloat64));
    check_gradients(layer, torch::randn({2, 3, 5}, torch::kFloat64));
  }
}

TEST(LayerGradients, NothingIsQuantizedForImages) {
  QuantConv2d layer(3, 4, 3);
  const auto quantizer = std::make_shared<Doubling>(/*is_for_weights=*/false);
  layer->set_gradient(quantizer);
  layer->forward(torch::randn({2, 3, 6, 6})).sum().backward();
  EXPECT_EQ(quantizer->calls, 0);
  EXPECT_TRUE(layer->named_parameters()["weight"].grad().defined());
}

TEST(LayerGradients, TwoForwardPassesAddUp) {
  torch::manual_seed(3);
  QuantConv2d layer(3, 4, 3);
  layer->to(torch::kFloat64);
  layer->set_gradient(std::make_shared<Doubling>(/*is_for_weights=*/true));
  const auto x = torch::randn({4, 3, 6, 6}, torch::kFloat64);
  layer->forward(x).sum().backward();
  const auto joined = layer->named_parameters()["weight"].grad().clone();
  layer->zero_grad();
  layer->forward(x.narrow(0, 0, 1)).sum().backward();
  layer->forward(x.narrow(0, 1, 3)).sum().backward();
  EXPECT_TRUE(torch::allclose(layer->named_parameters()["weight"].grad(), joined));
}

TEST(LayerGradients, CopiesOfALayerShareTheQuantizer) {
  QuantLinear layer(3, 2);
  layer->set_gradient(std::make_shared<Doubling>(/*is_for_weights=*/false));
  const auto copy = layer->clone();
  EXPECT_EQ(dynamic_cast<QuantLayer&>(*copy).gradient(), layer->gradient());
}

}  // namespace
}  // namespace bsq::test
