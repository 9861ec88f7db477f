#include "bsq/methods/bsq/plane_optimizer.h"

#include <torch/nn/functional/loss.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/bsq/reconstruction.h"
#include "bsq/methods/kept_norms.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kRate = 0.05;
constexpr SgdOptions kOptions{/*momentum=*/0.9, /*weight_decay=*/0.01};

// Two networks in planes with the same tensors, and fixed batches.
struct Pair {
  explicit Pair(torch::ScalarType type)
      : images(torch::randn({6, 8, 3, 8, 8}, type)), labels(torch::randint(0, 3, {6, 8}, torch::kInt64)) {
    ours.to(type);
    theirs.to(type);
    bring_to(ours, Form::kPlanes, type);
    load_network(theirs, save_network(ours));
  }
  torch::Tensor loss(Network& network, int64_t step) const {
    return torch::nn::functional::cross_entropy(network.forward(images[step]), labels[step]);
  }
  // Activations are not quantized, since one flipped rounding would hide what is compared.
  SmallNetwork ours{/*activation_bits=*/0};
  SmallNetwork theirs{/*activation_bits=*/0};
  torch::Tensor images, labels;
};

// The network with autograd through every plane.
torch::Tensor slow_loss(const Pair& pair, SmallNetwork& network, int64_t step) {
  const auto value = [](WeightSource& source) {
    const auto& planes = planes_in(source);
    return reconstruct_ste(planes.positive, planes.negative, planes.scale);
  };
  auto x = torch::conv2d(pair.images[step], value(network.conv1->weight_source()), {}, /*stride=*/1,
                         /*padding=*/1);
  x = network.relu1(network.bn1(x));
  x = torch::conv2d(x, value(network.conv2->weight_source()), value(*network.conv2->bias_source()),
                    /*stride=*/1, /*padding=*/1) +
      network.shortcut(x);
  const auto logits = torch::linear(torch::relu(x).flatten(/*start_dim=*/2).mean(/*dim=*/2),
                                    value(network.fc->weight_source()), value(*network.fc->bias_source()));
  return torch::nn::functional::cross_entropy(logits, pair.labels[step]);
}

// The slow, obvious step: every parameter in torch::optim::SGD, planes and penalty by autograd, the clamps
// afterwards.
void train_slowly(const Pair& pair, SmallNetwork& network, double alpha) {
  torch::optim::SGD sgd(
      network.parameters(),
      torch::optim::SGDOptions(kRate).momentum(kOptions.momentum).weight_decay(kOptions.weight_decay));
  for (int64_t step = 0; step < pair.images.size(0); ++step) {
    sgd.zero_grad();
    auto loss = slow_loss(pair, network, step);
    if (alpha > 0) {
      loss = loss + alpha * network_penalty(network);
    }
    loss.backward();
    sgd.step();
    torch::NoGradGuard no_grad;
    for (const auto& [name, weight] : plane_weights(network)) {
      weight->planes().positive.clamp_(0, 2);
      weight->planes().negative.clamp_(0, 2);
    }
  }
}

void train(const Pair& pair, SmallNetwork& network, Optimizer& optimizer) {
  for (int64_t step = 0; step < pair.images.size(0); ++step) {
    optimizer.zero_grad();
    pair.loss(network, step).backward();
    optimizer.step(kRate);
  }
}

TEST(PlaneOptimizer, IsSgdThroughThePlanes) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const double alpha : {0.0, 0.3}) {
      if (alpha > 0 && type == torch::kFloat32) {
        continue;
      }
      Pair pair(type);
      PlaneOptimizer optimizer(pair.ours, kOptions, published_rule(alpha));
      train(pair, pair.ours, optimizer);
      train_slowly(pair, pair.theirs, alpha);
      const double tolerance = type == torch::kFloat64 ? 1e-9 : 2e-2;  // in float32 a rounding may flip
      const auto expected = pair.theirs.named_parameters();
      for (const auto& item : pair.ours.named_parameters()) {
        EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], tolerance, tolerance)) << item.key();
      }
    }
  }
}

PlaneRule rule_for(Network& network, StepRule step, double alpha) {
  auto rule = published_rule(alpha);
  rule.step = step;
  if (step == StepRule::kRelative) {
    rule.norms = kept_norms(network);
    for (const auto& [name, weight] : plane_weights(network)) {
      rule.sensitivities[name] = rule_number(0);
    }
  }
  return rule;
}

TEST(PlaneBank, TakesTheStepsOfTheFusedLoops) {
  for (const auto step : {StepRule::kRelative, StepRule::kPublished}) {
    for (const double alpha : {0.0, 0.1}) {
      torch::manual_seed(9);
      Pair pair(torch::kFloat64);
      const auto our_rule = rule_for(pair.ours, step, alpha);
      const auto their_rule = rule_for(pair.theirs, step, alpha);
      PlaneOptimizer ours(pair.ours, kOptions, our_rule, PlaneMemory::kBank);
      PlaneOptimizer theirs(pair.theirs, kOptions, their_rule);
      EXPECT_NEAR(ours.group_norms(), theirs.group_norms(), 1e-9);
      train(pair, pair.ours, ours);
      train(pair, pair.theirs, theirs);
      EXPECT_NEAR(ours.group_norms(), theirs.group_norms(), 1e-9);
      const auto expected = pair.theirs.named_parameters();
      for (const auto& item : pair.ours.named_parameters()) {
        EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
      }
      const auto momenta = theirs.state();
      for (const auto& [name, momentum] : ours.state()) {
        EXPECT_TRUE(torch::allclose(momentum, momenta.at(name), 1e-9, 1e-9)) << name;
      }
      for (const auto& [name, sensitivity] : our_rule.sensitivities) {
        EXPECT_TRUE(torch::allclose(sensitivity, their_rule.sensitivities.at(name), 1e-9, 1e-15)) << name;
      }
    }
  }
}

TEST(PlaneBank, AWeightWithoutAGradientStays) {
  torch::manual_seed(10);
  Pair pair(torch::kFloat64);
  PlaneOptimizer optimizer(pair.ours, kOptions, published_rule(/*alpha=*/0.1), PlaneMemory::kBank);
  train(pair, pair.ours, optimizer);
  const auto before = copy_tensors({{"planes", pair.ours.named_parameters()["fc.pweight"]},
                                    {"momentum", optimizer.state().at("fc.pweight")}});
  optimizer.zero_grad();
  pair.ours.conv1->weight_source().value().square().sum().backward();
  optimizer.step(kRate);
  EXPECT_TRUE(torch::equal(pair.ours.named_parameters()["fc.pweight"], before.at("planes")));
  EXPECT_TRUE(torch::equal(optimizer.state().at("fc.pweight"), before.at("momentum")));
}

// Whoever holds a tensor of the network sees the steps, and a copy has its own memory.
TEST(PlaneBank, TensorsStayTheSameObjects) {
  torch::manual_seed(11);
  Pair pair(torch::kFloat64);
  const auto planes = pair.ours.named_parameters()["conv2.pweight"];
  const auto leaf = pair.ours.conv2->weight_source().value();
  PlaneOptimizer optimizer(pair.ours, kOptions, published_rule(/*alpha=*/0.1), PlaneMemory::kBank);
  const auto before = planes.detach().clone();
  const auto copy = pair.ours.conv2->weight_source().clone();
  train(pair, pair.ours, optimizer);
  EXPECT_FALSE(torch::equal(planes, before));
  EXPECT_TRUE(torch::equal(leaf, pair.ours.conv2->weight_source().value()));
  EXPECT_TRUE(torch::equal(copy->slots().front().tensor, before));
  auto& source = pair.ours.conv2->weight_source();
  const auto value = source.value().detach().clone();
  source.refresh();
  EXPECT_TRUE(torch::allclose(source.value(), value, 1e-12, 1e-12));
  optimizer.step(/*learning_rate=*/0);
  EXPECT_TRUE(torch::allclose(source.value(), value, 1e-12, 1e-12));
}

TEST(PlaneOptimizer, TwoBackwardPassesMakeOneStep) {
  torch::manual_seed(2);
  Pair pair(torch::kFloat64);
  pair.ours.eval();  // batch norm joins the images of a batch
  pair.theirs.eval();
  const auto x = pair.images[0];
  PlaneOptimizer ours(pair.ours, kOptions, published_rule(/*alpha=*/0.1));
  PlaneOptimizer theirs(pair.theirs, kOptions, published_rule(/*alpha=*/0.1));
  for (int step = 0; step < 3; ++step) {
    ours.zero_grad();
    pair.ours.forward(x.narrow(0, 0, 3)).square().sum().backward();
    pair.ours.forward(x.narrow(0, 3, 5)).square().sum().backward();
    ours.step(kRate);
    theirs.zero_grad();
    pair.theirs.forward(x).square().sum().backward();
    theirs.step(kRate);
  }
  const auto expected = pair.theirs.named_parameters();
  for (const auto& item : pair.ours.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
  }
}

TEST(PlaneOptimizer, ClampsPlanesAndNothingElse) {
  torch::manual_seed(3);
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, Form::kPlanes);
  {
    torch::NoGradGuard no_grad;
    network.bn1->weight.fill_(-5);
    network.shortcut->weight.fill_(-7);
  }
  const auto scale = network.named_parameters()["fc.scale"];
  const float before = scale.item<float>();
  PlaneOptimizer optimizer(network, {/*momentum=*/0, /*weight_decay=*/0}, published_rule(/*alpha=*/0));
  network.forward(torch::randn({8, 3, 8, 8})).mul(torch::randn({8, 3})).sum().backward();
  optimizer.step(/*learning_rate=*/50);
  double low = 1;
  double high = 1;
  for (const auto& [name, weight] : plane_weights(network)) {
    low = std::min(low, weight->planes().positive.min().item<double>());
    high = std::max(high, weight->planes().positive.max().item<double>());
  }
  EXPECT_EQ(low, 0.0);
  EXPECT_EQ(high, 2.0);
  EXPECT_NE(scale.item<float>(), before) << "the scale trains, without a clamp";
  EXPECT_LT(network.shortcut->weight.min().item<float>(), -2.0F);
  EXPECT_LT(network.bn1->weight.min().item<float>(), -2.0F);
}

TEST(PlaneOptimizer, WeightDecayActsOnEveryParameter) {
  torch::manual_seed(4);
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, Form::kPlanes);
  {
    torch::NoGradGuard no_grad;
    network.bn1->bias.fill_(0.5);
  }
  std::vector<torch::Tensor> before;
  for (const auto& parameter : network.parameters()) {
    before.push_back(parameter.detach().clone());
  }
  PlaneOptimizer optimizer(network, {/*momentum=*/0, /*weight_decay=*/0.5}, published_rule(/*alpha=*/0));
  network.forward(torch::randn({8, 3, 8, 8})).mul(0).sum().backward();
  optimizer.step(/*learning_rate=*/0.1);
  size_t i = 0;
  for (const auto& item : network.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value().detach(), before[i] * 0.95, 1e-5, 1e-7)) << item.key();
    ++i;
  }
}

TEST(PlaneOptimizer, LayersComputeWithTheNewPlanesAfterAStep) {
  torch::manual_seed(5);
  Pair pair(torch::kFloat32);
  PlaneOptimizer optimizer(pair.ours, kOptions, published_rule(/*alpha=*/0.1));
  train(pair, pair.ours, optimizer);
  for (const auto& [name, weight] : plane_weights(pair.ours)) {
    const auto& planes = weight->planes();
    const auto expected = reconstruct_ste(planes.positive, planes.negative, planes.scale);
    EXPECT_TRUE(torch::equal(weight->value(), expected)) << name;
  }
}

TEST(PlaneOptimizer, GroupNormsAreThoseBeforeTheStep) {
  torch::manual_seed(6);
  Pair pair(torch::kFloat64);
  PlaneOptimizer optimizer(pair.ours, kOptions, published_rule(/*alpha=*/0.5));
  EXPECT_NEAR(optimizer.group_norms(), network_penalty(pair.ours).item<double>(), 1e-9);
  for (int64_t step = 0; step < 4; ++step) {
    const double before = network_penalty(pair.ours).item<double>();
    optimizer.zero_grad();
    pair.loss(pair.ours, step).backward();
    optimizer.step(kRate);
    EXPECT_NEAR(optimizer.group_norms(), before, 1e-9);
    EXPECT_LT(network_penalty(pair.ours).item<double>(), before) << "and it falls";
  }
}

TEST(PlaneOptimizer, WithoutPlanesThereAreNoGroupNorms) {
  for (const auto form : {Form::kFloat, Form::kFrozen}) {
    SmallNetwork network;
    bring_to(network, form);
    EXPECT_EQ(PlaneOptimizer(network, kOptions, published_rule(/*alpha=*/1)).group_norms(), 0.0);
  }
}

TEST(PlaneOptimizer, APlaneWithoutAGradientStays) {
  torch::manual_seed(7);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  const auto before = save_network(network);
  PlaneOptimizer optimizer(network, kOptions, published_rule(/*alpha=*/0.1));
  EXPECT_NO_THROW(optimizer.step(kRate));
  expect_same_state(save_network(network), before);
}

TEST(PlaneOptimizer, GoesOnFromItsSavedState) {
  torch::manual_seed(8);
  Pair pair(torch::kFloat32);
  PlaneOptimizer ours(pair.ours, kOptions, published_rule(/*alpha=*/0.1));
  train(pair, pair.ours, ours);
  load_network(pair.theirs, save_network(pair.ours));
  PlaneOptimizer theirs(pair.theirs, kOptions, published_rule(/*alpha=*/0.1));
  theirs.load(ours.state());
  EXPECT_EQ(theirs.group_norms(),
            PlaneOptimizer(pair.ours, kOptions, published_rule(/*alpha=*/0)).group_norms());
  train(pair, pair.ours, ours);
  train(pair, pair.theirs, theirs);
  expect_same_state(save_network(pair.theirs), save_network(pair.ours));
  for (const auto& [name, tensor] : ours.state()) {
    EXPECT_TRUE(same_bits(tensor, theirs.state().at(name))) << name;
  }
}

TEST(PlaneOptimizer, StateIsNamedByParameterAndDoesNotFollow) {
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  PlaneOptimizer optimizer(network, kOptions, published_rule(/*alpha=*/0));
  const auto state = optimizer.state();
  EXPECT_EQ(state.size(), network.parameters().size());
  for (const auto& item : network.named_parameters()) {
    ASSERT_EQ(state.count(item.key()), 1U) << item.key();
    EXPECT_EQ(state.at(item.key()).sizes(), item.value().sizes()) << item.key();
    EXPECT_EQ(state.at(item.key()).abs().sum().item<float>(), 0.0F);
  }
  network.forward(torch::randn({8, 3, 8, 8})).square().sum().backward();
  optimizer.step(kRate);
  for (const char* name : {"bn1.weight", "fc.pweight", "fc.biasscale"}) {
    EXPECT_EQ(state.at(name).abs().sum().item<float>(), 0.0F) << name;
    EXPECT_GT(optimizer.state().at(name).abs().sum().item<float>(), 0.0F) << name;
  }
}

TEST(PlaneOptimizer, RefusesAnotherNetworksState) {
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  PlaneOptimizer optimizer(network, kOptions, published_rule(/*alpha=*/0));
  const auto state = optimizer.state();
  for (const char* name : {"fc.pbias", "fc.scale", "bn1.weight"}) {
    auto fewer = state;
    fewer.erase(name);
    EXPECT_THROW(optimizer.load(fewer), std::invalid_argument) << name;
    auto reshaped = state;
    reshaped[name] = torch::zeros({77});
    EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { optimizer.load(reshaped); }), name));
  }
  auto more = state;
  more["fc2.bias"] = torch::zeros({3});
  EXPECT_THROW(optimizer.load(more), std::invalid_argument);
  EXPECT_NO_THROW(optimizer.load(state));
}

}  // namespace
}  // namespace bsq::test
