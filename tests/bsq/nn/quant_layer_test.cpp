#include "bsq/nn/quant_layer.h"

#include <torch/utils.h>

#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Names = std::vector<std::string>;

Names names_of(Form form, bool has_bias) {
  QuantLinear layer(QuantLinearOptions(4, 3).bias(has_bias));
  bring_layer_to(*layer, form);
  return layer->named_parameters().keys();
}

TEST(QuantLayer, RegistersThePublishedNames) {
  EXPECT_EQ(names_of(Form::kFloat, true), (Names{"weight", "bias"}));
  EXPECT_EQ(names_of(Form::kFloat, false), (Names{"weight"}));
  EXPECT_EQ(names_of(Form::kPlanes, true),
            (Names{"pweight", "nweight", "scale", "pbias", "nbias", "biasscale"}));
  EXPECT_EQ(names_of(Form::kPlanes, false), (Names{"pweight", "nweight", "scale"}));
  EXPECT_EQ(names_of(Form::kFrozen, true), (Names{"weight", "scale", "bias", "biasscale"}));
  EXPECT_EQ(names_of(Form::kFrozen, false), (Names{"weight", "scale"}));
}

TEST(QuantLayer, ABiassSlotsAreNamedAfterTheWeights) {
  EXPECT_EQ(registered_name("pweight", /*is_bias=*/false), "pweight");
  EXPECT_EQ(registered_name("weight", /*is_bias=*/true), "bias");
  EXPECT_EQ(registered_name("pweight", /*is_bias=*/true), "pbias");
  EXPECT_EQ(registered_name("scale", /*is_bias=*/true), "biasscale");
}

TEST(QuantLayer, RegistersTheTensorsThatItComputesWith) {
  torch::manual_seed(1);
  QuantConv2d layer(3, 4, 3);
  bring_layer_to(*layer, Form::kPlanes);
  const auto parameters = layer->named_parameters();
  EXPECT_EQ(parameters["pweight"].data_ptr(), planes_in(layer->weight_source()).positive.data_ptr());
  EXPECT_EQ(parameters["biasscale"].data_ptr(), planes_in(*layer->bias_source()).scale.data_ptr());
  EXPECT_EQ(parameters["pweight"].size(0), 4);
  for (const auto& item : parameters) {
    EXPECT_TRUE(item.value().requires_grad()) << item.key();
  }
}

// A float weight with a tensor that it tracks, as quantizers with running statistics have.
class TrackingSource : public MasterWeight {
 public:
  using MasterWeight::MasterWeight;
  Slots slots() const override {
    auto slots = MasterWeight::slots();
    slots.push_back({"maximum", tracked_, Slot::Role::kTracked});
    return slots;
  }

 private:
  torch::Tensor tracked_ = torch::zeros({});
};

TEST(QuantLayer, TrackedSlotsAreBuffers) {
  QuantLinear layer(4, 3);
  layer->set_weight(std::make_unique<TrackingSource>(torch::zeros({3, 4}).set_requires_grad(true)));
  EXPECT_EQ(layer->named_parameters().keys(), (Names{"weight", "bias"}));
  EXPECT_EQ(layer->named_buffers().keys(), Names{"maximum"});
  layer->to(torch::kFloat64);
  EXPECT_EQ(layer->slots()[1].tensor.scalar_type(), torch::kFloat64) << "the source's own tensor moves";
  bring_layer_to(*layer, Form::kFrozen);
  EXPECT_TRUE(layer->named_buffers().is_empty()) << "an exchanged source leaves nothing behind";
}

TEST(QuantLayer, ExchangingASourceKeepsTheModulesMode) {
  for (const bool is_training : {true, false}) {
    QuantLinear layer(4, 3);
    layer->train(is_training);
    bring_layer_to(*layer, Form::kPlanes);
    EXPECT_EQ(layer->is_training(), is_training);
  }
}

TEST(QuantLayer, RefusesAnotherShape) {
  QuantLinear layer(4, 3);
  const auto message = message_of<std::invalid_argument>([&] {
    layer->set_weight(plane_source(torch::ones({4, 3}), /*bits=*/2));
  });
  EXPECT_EQ(message, "a weight of shape [4, 3]; expected [3, 4]");
  EXPECT_TRUE(layer->weight_source().is_float()) << "nothing is changed";
  EXPECT_THROW(layer->set_bias(plane_source(torch::ones({4}), /*bits=*/2)), std::invalid_argument);
  QuantLinear without(QuantLinearOptions(4, 3).bias(false));
  EXPECT_THROW(without->set_bias(plane_source(torch::ones({3}), /*bits=*/2)), std::logic_error);
}

TEST(QuantLayer, MovingANetworkReachesEverySlot) {
  torch::manual_seed(2);
  for (const auto form : kForms) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, form);
    network.to(torch::kFloat64);
    for (const auto& item : network.named_parameters()) {
      EXPECT_EQ(item.value().scalar_type(), torch::kFloat64) << item.key();
    }
    for (const auto& ref : sources_of(network)) {
      for (const auto& slot : ref.source().slots()) {
        EXPECT_EQ(slot.tensor.scalar_type(), torch::kFloat64) << ref.slot_name(slot.name);
        EXPECT_TRUE(slot.tensor.is_leaf() && slot.tensor.requires_grad()) << ref.slot_name(slot.name);
      }
      EXPECT_EQ(ref.source().value().scalar_type(), torch::kFloat64) << ref.name;
    }
    for (const auto& slot : network.relu1->slots()) {
      EXPECT_EQ(slot.tensor.scalar_type(), torch::kFloat64) << slot.name;
    }
    EXPECT_EQ(network.forward(torch::randn({2, 3, 8, 8}, torch::kFloat64)).scalar_type(), torch::kFloat64);
  }
}

// What each registered tensor gets as its gradient; planes collect theirs in the weight.
std::vector<torch::Tensor> gradients_of(QuantLayer& layer) {
  std::vector<torch::Tensor> gradients;
  for (auto* source : {&layer.weight_source(), layer.bias_source()}) {
    if (const auto* planes = dynamic_cast<PlaneWeight*>(source)) {
      gradients.push_back(planes->weight_gradient().clone());
      continue;
    }
    for (const auto& slot : source->slots()) {
      gradients.push_back(slot.tensor.grad().clone());
    }
  }
  return gradients;
}

void clear_gradients(QuantLayer& layer) {
  for (auto* source : {&layer.weight_source(), layer.bias_source()}) {
    if (auto* planes = dynamic_cast<PlaneWeight*>(source)) {
      planes->clear_weight_gradient();
    }
    for (auto slot : source->slots()) {
      slot.tensor.mutable_grad() = torch::Tensor();
    }
  }
}

TEST(QuantLayer, TwoForwardPassesBeforeAStepAddTheirGradients) {
  torch::manual_seed(3);
  for (const auto form : kForms) {
    QuantConv2d layer(QuantConv2dOptions(3, 4, 3).padding(1));
    layer->to(torch::kFloat64);
    bring_layer_to(*layer, form, torch::kFloat64);
    const auto x = torch::randn({6, 3, 5, 5}, torch::kFloat64);
    const auto upstream = torch::randn({6, 4, 5, 5}, torch::kFloat64);
    layer->forward(x).backward(upstream);
    const auto joined = gradients_of(*layer);
    const auto halves = [&](const std::function<void(const torch::Tensor&, const torch::Tensor&)>& backward) {
      clear_gradients(*layer);
      const auto first = layer->forward(x.narrow(0, 0, 2));
      const auto second = layer->forward(x.narrow(0, 2, 4));
      backward(first, second);
      const auto added = gradients_of(*layer);
      ASSERT_EQ(added.size(), joined.size());
      for (size_t i = 0; i < added.size(); ++i) {
        EXPECT_TRUE(torch::allclose(added[i], joined[i], 1e-10, 1e-12)) << i;
      }
    };
    halves([&](const torch::Tensor& first, const torch::Tensor& second) {
      first.backward(upstream.narrow(0, 0, 2));
      second.backward(upstream.narrow(0, 2, 4));
    });
    halves([&](const torch::Tensor& first, const torch::Tensor& second) {
      (first.mul(upstream.narrow(0, 0, 2)).sum() + second.mul(upstream.narrow(0, 2, 4)).sum()).backward();
    });
  }
}

// Forward passes write nothing that another thread reads.
TEST(QuantLayer, TwoThreadsEvaluateOneNetwork) {
  torch::manual_seed(4);
  for (const auto form : kForms) {
    SmallNetwork network;
    bring_to(network, form);
    network.forward(torch::randn({8, 3, 8, 8}));
    network.eval();
    const torch::Tensor images[] = {torch::randn({4, 3, 8, 8}), torch::randn({4, 3, 8, 8})};
    torch::Tensor expected[2];
    torch::NoGradGuard no_grad;
    for (int i = 0; i < 2; ++i) {
      expected[i] = network.forward(images[i]);
    }
    bool is_same[2] = {true, true};
    const auto evaluate = [&](int i) {
      torch::NoGradGuard no_grad_here;
      for (int pass = 0; pass < 50; ++pass) {
        is_same[i] = is_same[i] && torch::equal(network.forward(images[i]), expected[i]);
      }
    };
    std::thread other(evaluate, 1);
    evaluate(0);
    other.join();
    EXPECT_TRUE(is_same[0] && is_same[1]);
  }
}

TEST(QuantLayer, EvaluationKeepsNoGradient) {
  torch::NoGradGuard no_grad;
  for (const auto form : kForms) {
    QuantLinear layer(4, 3);
    bring_layer_to(*layer, form);
    EXPECT_FALSE(layer->forward(torch::ones({2, 4})).requires_grad());
  }
}

template <typename Layer>
void expect_deep_clone(Layer layer, const torch::Tensor& x) {
  const auto refresh = [](QuantLayer& changed) {
    changed.weight_source().refresh();
    if (changed.bias_source() != nullptr) {
      changed.bias_source()->refresh();
    }
  };
  for (const auto form : kForms) {
    Layer original = std::dynamic_pointer_cast<typename Layer::ContainedType>(layer->clone());
    bring_layer_to(*original, form);
    Layer copy = std::dynamic_pointer_cast<typename Layer::ContainedType>(original->clone());
    torch::NoGradGuard no_grad;
    const auto y = original->forward(x);
    ASSERT_TRUE(torch::equal(copy->forward(x), y));
    ASSERT_EQ(copy->named_parameters().keys(), original->named_parameters().keys());
    ASSERT_EQ(copy->weight_source().kind(), original->weight_source().kind());
    for (auto& parameter : original->parameters()) {
      parameter.add_(0.5);
    }
    refresh(*original);
    EXPECT_TRUE(torch::equal(copy->forward(x), y)) << "the copy does not follow the original";
    const auto changed = original->forward(x);
    for (auto& parameter : copy->parameters()) {
      EXPECT_TRUE(parameter.requires_grad());
      parameter.zero_();
    }
    refresh(*copy);
    EXPECT_TRUE(torch::equal(original->forward(x), changed)) << "nor the original the copy";
    EXPECT_TRUE(torch::equal(copy->forward(x), torch::zeros_like(y)))
        << "the copy computes with its own parameters";
  }
}

TEST(QuantLayer, ClonesDeeply) {
  torch::manual_seed(5);
  expect_deep_clone(QuantConv2d(QuantConv2dOptions(3, 4, 3).padding(1)), torch::randn({2, 3, 5, 5}));
  expect_deep_clone(QuantConv2d(QuantConv2dOptions(3, 4, 3).bias(false)), torch::randn({2, 3, 5, 5}));
  expect_deep_clone(QuantLinear(6, 4), torch::randn({2, 6}));
}

TEST(QuantLayer, ACloneKeepsItsRole) {
  QuantLinear layer(4, 3);
  layer->set_role(LayerRole::kShortcut);
  EXPECT_EQ(std::dynamic_pointer_cast<QuantLinearImpl>(layer->clone())->role(), LayerRole::kShortcut);
}

}  // namespace
}  // namespace bsq::test
