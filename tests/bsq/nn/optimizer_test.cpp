#include "bsq/nn/optimizer.h"

#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr double kRate = 0.05;
constexpr SgdOptions kOptions{/*momentum=*/0.9, /*weight_decay=*/0.01};
constexpr Form kMasterForms[] = {Form::kFloat, Form::kFrozen};

torch::Tensor images(torch::ScalarType type = torch::kFloat32) { return torch::randn({8, 3, 8, 8}, type); }

void step_once(Sgd& optimizer, SmallNetwork& network, const torch::Tensor& x, double rate = kRate) {
  optimizer.zero_grad();
  network.forward(x).square().mean().backward();
  optimizer.step(rate);
}

// torch's own SGD over all parameters, the clamps of frozen tensors afterwards.
void step_slowly(torch::optim::SGD& sgd, SmallNetwork& network, const torch::Tensor& x) {
  sgd.zero_grad();
  network.forward(x).square().mean().backward();
  sgd.step();
  torch::NoGradGuard no_grad;
  for (const auto& ref : coded_sources(network)) {
    ref.source().slots()[0].tensor.clamp_(-1, 1);
  }
}

TEST(Sgd, IsTorchsForEveryMasterWeight) {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto form : kMasterForms) {
      SmallNetwork ours(/*activation_bits=*/0);
      SmallNetwork theirs(/*activation_bits=*/0);
      ours.to(type);
      theirs.to(type);
      bring_to(ours, form, type);
      load_network(theirs, save_network(ours));
      Sgd optimizer(ours, kOptions);
      torch::optim::SGD sgd(
          theirs.parameters(),
          torch::optim::SGDOptions(kRate).momentum(kOptions.momentum).weight_decay(kOptions.weight_decay));
      for (int step = 0; step < 5; ++step) {
        const auto x = images(type);
        step_once(optimizer, ours, x);
        step_slowly(sgd, theirs, x);
      }
      const double tolerance = type == torch::kFloat64 ? 1e-9 : (form == Form::kFrozen ? 2e-2 : 1e-4);
      const auto expected = theirs.named_parameters();
      for (const auto& item : ours.named_parameters()) {
        EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], tolerance, tolerance)) << item.key();
      }
    }
  }
}

TEST(Sgd, ClampsSlotsWithLimitsAndNothingElse) {
  torch::manual_seed(2);
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, Form::kFrozen);
  Codes twos;
  twos.integers = torch::randint(-4, 4, {3, 8}, torch::kInt32);
  twos.scale = torch::tensor(0.3F);
  twos.format = twos_complement(3);
  network.fc->set_weight(make_frozen(twos));
  {
    torch::NoGradGuard no_grad;
    network.bn1->weight.fill_(-5);
    network.shortcut->weight.fill_(-7);
  }
  const auto scale = network.named_parameters()["fc.scale"];
  const float before = scale.item<float>();
  Sgd optimizer(network, {/*momentum=*/0, /*weight_decay=*/0});
  network.forward(images()).mul(torch::randn({8, 3})).sum().backward();
  optimizer.step(/*learning_rate=*/1000);
  const auto limits_of = [&](const char* name) {
    const auto tensor = network.named_parameters()[name];
    return std::make_pair(tensor.min().item<float>(), tensor.max().item<float>());
  };
  EXPECT_EQ(limits_of("conv2.weight"), std::make_pair(-1.0F, 1.0F));
  EXPECT_EQ(limits_of("fc.weight"), std::make_pair(-1.0F, 0.75F)) << "-4 to 3 over 4";
  EXPECT_NE(scale.item<float>(), before) << "the scale trains, without a clamp";
  EXPECT_LT(network.shortcut->weight.min().item<float>(), -2.0F);
  EXPECT_LT(network.bn1->weight.min().item<float>(), -2.0F);
}

TEST(Sgd, WeightDecayActsOnEveryParameter) {
  torch::manual_seed(3);
  for (const auto form : kMasterForms) {
    SmallNetwork network(/*activation_bits=*/3);
    bring_to(network, form);
    {
      torch::NoGradGuard no_grad;
      network.bn1->bias.fill_(0.5);
    }
    std::vector<torch::Tensor> before;
    for (const auto& parameter : network.parameters()) {
      before.push_back(parameter.detach().clone());
    }
    Sgd optimizer(network, {/*momentum=*/0, /*weight_decay=*/0.5});
    network.forward(images()).mul(0).sum().backward();
    optimizer.step(/*learning_rate=*/0.1);
    size_t i = 0;
    for (const auto& item : network.named_parameters()) {
      EXPECT_TRUE(torch::allclose(item.value().detach(), before[i] * 0.95, 1e-5, 1e-7)) << item.key();
      ++i;
    }
  }
}

TEST(Sgd, ZeroBitsStayZero) {
  torch::manual_seed(4);
  SmallNetwork network;
  bring_to(network, Form::kFrozen);
  Codes zeros;
  zeros.integers = torch::zeros({8, 8, 3, 3}, torch::kInt32);
  zeros.scale = torch::tensor(0.3F);
  zeros.format = sign_magnitude(0);
  network.conv2->set_weight(make_frozen(zeros));
  Sgd optimizer(network, kOptions);
  for (int step = 0; step < 3; ++step) {
    step_once(optimizer, network, images());
  }
  EXPECT_EQ(value_in(network.conv2->weight_source()).abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(optimizer.state().count("conv2.weight"), 0U);
  EXPECT_EQ(optimizer.state().count("conv2.scale"), 0U);
  EXPECT_EQ(optimizer.state().count("conv1.weight"), 1U);
}

TEST(Sgd, TakesTheLearningRateOfTheStep) {
  torch::manual_seed(5);
  SmallNetwork network;
  const auto before = network.shortcut->weight.detach().clone();
  Sgd optimizer(network, kOptions);
  step_once(optimizer, network, images(), /*rate=*/0);
  EXPECT_TRUE(torch::equal(network.shortcut->weight, before));
}

TEST(Sgd, AParameterWithoutAGradientStays) {
  torch::manual_seed(6);
  for (const auto form : kMasterForms) {
    SmallNetwork network;
    bring_to(network, form);
    const auto before = save_network(network);
    Sgd optimizer(network, kOptions);
    EXPECT_NO_THROW(optimizer.step(kRate));
    expect_same_state(save_network(network), before);
  }
}

TEST(Sgd, LeavesOutWhatSomebodyElseTrains) {
  SmallNetwork network;
  const Sgd optimizer(network, kOptions, {"fc.weight", "bn1.bias"});
  EXPECT_EQ(optimizer.state().count("fc.weight"), 0U);
  EXPECT_EQ(optimizer.state().count("bn1.bias"), 0U);
  EXPECT_EQ(optimizer.state().count("fc.bias"), 1U);
}

TEST(Sgd, GoesOnFromItsSavedState) {
  torch::manual_seed(7);
  for (const auto form : kMasterForms) {
    SmallNetwork ours;
    bring_to(ours, form);
    Sgd optimizer(ours, kOptions);
    step_once(optimizer, ours, images());
    SmallNetwork other;
    load_network(other, save_network(ours));
    Sgd resumed(other, kOptions);
    resumed.load(optimizer.state());
    for (int step = 0; step < 3; ++step) {
      const auto x = images();
      step_once(optimizer, ours, x);
      step_once(resumed, other, x);
    }
    expect_same_state(save_network(other), save_network(ours));
    for (const auto& [name, tensor] : optimizer.state()) {
      EXPECT_TRUE(same_bits(tensor, resumed.state().at(name))) << name;
    }
  }
}

TEST(Sgd, StateIsNamedByParameterAndDoesNotFollow) {
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, Form::kFrozen);
  Sgd optimizer(network, kOptions);
  const auto state = optimizer.state();
  EXPECT_EQ(state.size(), network.parameters().size());
  for (const char* name : {"conv1.weight", "conv1.scale", "fc.bias", "fc.biasscale", "bn1.weight",
                           "relu1.alpha", "shortcut.weight"}) {
    ASSERT_EQ(state.count(name), 1U) << name;
    EXPECT_EQ(state.at(name).abs().sum().item<float>(), 0.0F);
  }
  step_once(optimizer, network, images());
  EXPECT_EQ(state.at("bn1.weight").abs().sum().item<float>(), 0.0F);
  EXPECT_GT(optimizer.state().at("bn1.weight").abs().sum().item<float>(), 0.0F);
}

TEST(Sgd, RefusesAnotherNetworksState) {
  SmallNetwork network;
  Sgd optimizer(network, kOptions);
  const auto state = optimizer.state();
  auto fewer = state;
  fewer.erase("fc.bias");
  EXPECT_THROW(optimizer.load(fewer), std::invalid_argument);
  auto renamed = fewer;
  renamed["fc2.bias"] = torch::zeros({3});
  EXPECT_EQ(message_of<std::invalid_argument>([&] { optimizer.load(renamed); }),
            "optimizer state: fc.bias is missing or of another shape");
  auto reshaped = state;
  reshaped["fc.bias"] = torch::zeros({4});
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { optimizer.load(reshaped); }), "fc.bias"));
  EXPECT_NO_THROW(optimizer.load(state));
}

TEST(Sgd, SharesAreGroupsOfTorchs) {
  torch::manual_seed(11);
  SmallNetwork ours(/*activation_bits=*/0), theirs(/*activation_bits=*/0);
  ours.to(torch::kFloat64);
  theirs.to(torch::kFloat64);
  load_network(theirs, save_network(ours));
  auto options = kOptions;
  options.is_nesterov = true;
  Sgd optimizer(ours, options, [](const std::string& name) {
    return name == "fc.bias" ? SgdShare{0.1, 0} : name == "conv2.weight" ? SgdShare{0, 1} : SgdShare();
  });
  const auto group = [&](double rate, double decay) {
    auto own = torch::optim::SGDOptions(rate).momentum(kOptions.momentum).weight_decay(decay).nesterov(true);
    return std::make_unique<torch::optim::SGDOptions>(own);
  };
  std::vector<torch::Tensor> others;
  auto parameters = theirs.named_parameters();
  for (const auto& item : parameters) {
    if (item.key() != "fc.bias" && item.key() != "conv2.weight") {
      others.push_back(item.value());
    }
  }
  torch::optim::SGD sgd(
      {{others, group(kRate, kOptions.weight_decay)}, {{parameters["fc.bias"]}, group(0.1 * kRate, 0)}},
      torch::optim::SGDOptions(kRate));
  for (int step = 0; step < 4; ++step) {
    const auto x = images(torch::kFloat64);
    step_once(optimizer, ours, x);
    theirs.zero_grad();
    theirs.forward(x).square().mean().backward();
    sgd.step();
  }
  for (const auto& item : ours.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), parameters[item.key()], 1e-9, 1e-12)) << item.key();
  }
}

}  // namespace
}  // namespace bsq::test
