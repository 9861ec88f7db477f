#include "bsq/train/optimizer.h"

#include <stdexcept>

#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

BsqOptimizerOptions sgd_options(double penalty = 0) {
  return BsqOptimizerOptions().learning_rate(0.05).momentum(0.9).weight_decay(0.01).penalty(penalty);
}

// Two networks with the same tensors and fixed batches.
struct Pair {
  Pair(Representation representation, torch::ScalarType type)
      : images(torch::randn({6, 8, 3, 8, 8}, type)), labels(torch::randint(0, 3, {6, 8}, torch::kInt64)) {
    ours.to(type);
    theirs.to(type);
    bring_to(ours, representation, type);
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

void expect_close(torch::nn::Module& a, torch::nn::Module& b, double tolerance) {
  const auto expected = b.named_parameters();
  for (const auto& item : a.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value().detach(), expected[item.key()].detach(), tolerance, tolerance))
        << item.key();
  }
}

// The slow, obvious step: every parameter in torch::optim::SGD, the penalty by autograd, the clamps
// afterwards.
void train_slowly(const Pair& pair, SmallNetwork& network, Representation representation, double penalty) {
  const auto options = sgd_options();
  torch::optim::SGD sgd(network.parameters(), torch::optim::SGDOptions(options.learning_rate())
                                                  .momentum(options.momentum())
                                                  .weight_decay(options.weight_decay()));
  for (int64_t step = 0; step < pair.images.size(0); ++step) {
    sgd.zero_grad();
    auto loss = pair.loss(network, step);
    if (penalty > 0) {
      loss = loss + penalty * network_penalty(network);
    }
    loss.backward();
    sgd.step();
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : bit_parameters(network)) {
      if (representation == Representation::kBits) {
        parameter->planes().positive.clamp_(0, 2);
        parameter->planes().negative.clamp_(0, 2);
      } else if (representation == Representation::kFrozen) {
        parameter->weight().clamp_(-1, 1);
      }
    }
  }
}

void train(const Pair& pair, SmallNetwork& network, BsqOptimizer& optimizer) {
  for (int64_t step = 0; step < pair.images.size(0); ++step) {
    optimizer.zero_grad();
    pair.loss(network, step).backward();
    optimizer.step();
  }
}

TEST(BsqOptimizer, IsSgdInEveryRepresentation) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto representation : kRepresentations) {
      for (const double penalty : {0.0, 0.3}) {
        if (penalty > 0 && (representation != Representation::kBits || type == torch::kFloat32)) {
          continue;
        }
        Pair pair(representation, type);
        BsqOptimizer optimizer(pair.ours, sgd_options(penalty));
        train(pair, pair.ours, optimizer);
        train_slowly(pair, pair.theirs, representation, penalty);
        const bool is_exact = type == torch::kFloat64;
        const bool can_flip = representation != Representation::kFloat && !is_exact;
        expect_close(pair.ours, pair.theirs, is_exact ? 1e-9 : (can_flip ? 2e-2 : 1e-4));
      }
    }
  }
}

TEST(BsqOptimizer, ClampsPlanesAndFrozenValuesAndNothingElse) {
  torch::manual_seed(2);
  for (const auto representation : {Representation::kBits, Representation::kFrozen}) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, representation);
    {
      torch::NoGradGuard no_grad;
      network.bn1->weight.fill_(-5);
      network.shortcut->weight.fill_(-7);
      network.relu1->alpha.fill_(9);
    }
    const auto before = network.fc->weight_bits().scale().item<float>();
    BsqOptimizer optimizer(network, BsqOptimizerOptions().learning_rate(50).momentum(0));
    const auto logits = network.forward(torch::randn({8, 3, 8, 8}));
    logits.mul(torch::randn({8, 3})).sum().backward();
    optimizer.step();
    double low = 0;
    double high = 0;
    for (const auto& [name, parameter] : bit_parameters(network)) {
      const auto values =
          representation == Representation::kBits ? parameter->planes().positive : parameter->weight();
      low = std::min(low, values.min().item<double>());
      high = std::max(high, values.max().item<double>());
    }
    EXPECT_EQ(low, representation == Representation::kBits ? 0.0 : -1.0);
    EXPECT_EQ(high, representation == Representation::kBits ? 2.0 : 1.0);
    EXPECT_NE(network.fc->weight_bits().scale().item<float>(), before) << "the scale trains, without a clamp";
    EXPECT_LT(network.shortcut->weight.min().item<float>(), -2.0F);
    EXPECT_LT(network.bn1->weight.min().item<float>(), -2.0F);
  }
}

TEST(BsqOptimizer, WeightDecayActsOnEveryParameter) {
  torch::manual_seed(3);
  for (const auto representation : kRepresentations) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, representation);
    {
      torch::NoGradGuard no_grad;
      network.bn1->bias.fill_(0.5);
    }
    const auto before = save_network(network);
    const auto parameters_before = [&] {
      std::vector<torch::Tensor> values;
      for (const auto& parameter : network.parameters()) {
        values.push_back(parameter.detach().clone());
      }
      return values;
    }();
    BsqOptimizer optimizer(network, BsqOptimizerOptions().learning_rate(0.1).momentum(0).weight_decay(0.5));
    network.forward(torch::randn({8, 3, 8, 8})).mul(0).sum().backward();
    optimizer.step();
    size_t i = 0;
    for (const auto& item : network.named_parameters()) {
      EXPECT_TRUE(torch::allclose(item.value().detach(), parameters_before[i] * 0.95, 1e-5, 1e-7))
          << item.key();
      ++i;
    }
  }
}

TEST(BsqOptimizer, PenaltyIsThatBeforeTheStep) {
  torch::manual_seed(4);
  Pair pair(Representation::kBits, torch::kFloat64);
  BsqOptimizer optimizer(pair.ours, sgd_options(/*penalty=*/0.5));
  EXPECT_NEAR(optimizer.penalty(), network_penalty(pair.ours).item<double>(), 1e-9);
  for (int64_t step = 0; step < 4; ++step) {
    const double before = network_penalty(pair.ours).item<double>();
    optimizer.zero_grad();
    pair.loss(pair.ours, step).backward();
    optimizer.step();
    EXPECT_NEAR(optimizer.penalty(), before, 1e-9);
    EXPECT_LT(network_penalty(pair.ours).item<double>(), before) << "and it falls";
  }
}

TEST(BsqOptimizer, WithoutBitsThereIsNoPenalty) {
  for (const auto representation : {Representation::kFloat, Representation::kFrozen}) {
    SmallNetwork network;
    bring_to(network, representation);
    EXPECT_EQ(BsqOptimizer(network, sgd_options(/*penalty=*/1)).penalty(), 0.0);
  }
}

TEST(BsqOptimizer, ZeroBitsStayZero) {
  torch::manual_seed(5);
  SmallNetwork network;
  convert_to_scheme(network, {{"conv1", {4, 0}}, {"conv2", {0, 0}}, {"fc", {4, 4}}});
  freeze_network(network);
  BsqOptimizer optimizer(network, sgd_options());
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    network.forward(torch::randn({8, 3, 8, 8})).square().sum().backward();
    optimizer.step();
  }
  EXPECT_EQ(network.conv2->weight_bits().value().abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(optimizer.state().count("conv2.weight"), 0U);
  EXPECT_EQ(optimizer.state().count("conv1.weight"), 1U);
}

TEST(BsqOptimizer, SetsTheLearningRate) {
  torch::manual_seed(6);
  SmallNetwork network;
  const auto before = save_network(network);
  BsqOptimizer optimizer(network, sgd_options());
  optimizer.set_learning_rate(0);
  network.forward(torch::randn({8, 3, 8, 8})).square().sum().backward();
  optimizer.step();
  EXPECT_TRUE(same_stored(save_network(network)[0].second, before[0].second));
}

TEST(BsqOptimizer, AParameterWithoutAGradientStays) {
  torch::manual_seed(7);
  for (const auto representation : kRepresentations) {
    SmallNetwork network;
    bring_to(network, representation);
    const auto before = save_network(network);
    BsqOptimizer optimizer(network, sgd_options());
    EXPECT_NO_THROW(optimizer.step());
    expect_same_state(save_network(network), before);
  }
}

TEST(BsqOptimizer, GoesOnFromItsSavedState) {
  torch::manual_seed(8);
  for (const auto representation : kRepresentations) {
    Pair pair(representation, torch::kFloat32);
    BsqOptimizer ours(pair.ours, sgd_options(/*penalty=*/0.1));
    train(pair, pair.ours, ours);
    load_network(pair.theirs, save_network(pair.ours));
    BsqOptimizer theirs(pair.theirs, sgd_options(/*penalty=*/0.1));
    theirs.load(ours.state());
    EXPECT_EQ(theirs.penalty(), BsqOptimizer(pair.ours, sgd_options()).penalty());
    train(pair, pair.ours, ours);
    train(pair, pair.theirs, theirs);
    expect_same_state(save_network(pair.theirs), save_network(pair.ours));
    for (const auto& [name, tensor] : ours.state()) {
      EXPECT_TRUE(same_bits(tensor, theirs.state().at(name))) << name;
    }
  }
}

TEST(BsqOptimizer, StateIsNamedByParameterAndDoesNotFollow) {
  SmallNetwork network;
  convert_to_bits(network, /*bits=*/4);
  BsqOptimizer optimizer(network, sgd_options());
  const auto state = optimizer.state();
  for (const char* name : {"conv1.weight.positive", "conv1.weight.negative", "conv1.weight.scale",
                           "fc.bias.positive", "fc.bias.scale", "bn1.weight", "shortcut.weight"}) {
    ASSERT_EQ(state.count(name), 1U) << name;
    EXPECT_EQ(state.at(name).abs().sum().item<float>(), 0.0F);
  }
  network.forward(torch::randn({8, 3, 8, 8})).square().sum().backward();
  optimizer.step();
  EXPECT_EQ(state.at("bn1.weight").abs().sum().item<float>(), 0.0F);
  EXPECT_GT(optimizer.state().at("bn1.weight").abs().sum().item<float>(), 0.0F);
}

TEST(BsqOptimizer, RefusesAnotherNetworksState) {
  SmallNetwork network;
  BsqOptimizer optimizer(network, sgd_options());
  auto state = optimizer.state();
  auto fewer = state;
  fewer.erase("fc.bias");
  EXPECT_THROW(optimizer.load(fewer), std::invalid_argument);
  auto renamed = fewer;
  renamed["fc2.bias"] = torch::zeros({3});
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { optimizer.load(renamed); }), "fc.bias"));
  auto reshaped = state;
  reshaped["fc.bias"] = torch::zeros({4});
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { optimizer.load(reshaped); }), "fc.bias"));
  EXPECT_NO_THROW(optimizer.load(state));
}

}  // namespace
}  // namespace bsq::test
