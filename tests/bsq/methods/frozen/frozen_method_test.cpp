#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "bsq/methods/bsq/conversion.h"
#include "bsq/methods/bsq/precision_adjustment.h"
#include "bsq/methods/methods.h"
#include "bsq/quant/sign_magnitude.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

constexpr bool kTrain = true;
constexpr bool kEvaluate = false;

void begin(SmallNetwork& network, bool is_training, int64_t bits = 8) {
  make_method("frozen")->begin(network, {LayerRules(bits), is_training});
}

void expect_all_frozen(SmallNetwork& network) {
  for (const auto& ref : coded_sources(network)) {
    EXPECT_EQ(ref.source().kind(), "frozen") << ref.name;
  }
}

TEST(FrozenMethod, EvaluationChangesNoValue) {
  torch::manual_seed(1);
  const auto x = torch::randn({4, 3, 8, 8});
  for (const auto form : {Form::kPlanes, Form::kFrozen}) {
    SmallNetwork network;
    network.forward(x);
    bring_to(network, form);
    network.eval();
    torch::NoGradGuard no_grad;
    const auto y = network.forward(x);
    begin(network, kEvaluate);
    expect_all_frozen(network);
    EXPECT_TRUE(torch::equal(network.forward(x), y));
  }
}

TEST(FrozenMethod, ConvertsAFloatNetworkByTheRules) {
  torch::manual_seed(2);
  SmallNetwork network;
  const auto before = value_in(network.conv2->weight_source());
  make_method("frozen")->begin(network, {LayerRules(5).keep_float({"fc"}), kEvaluate});
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {5, 0}}, {"conv2", {5, 5}}}));
  EXPECT_TRUE(network.fc->weight_source().is_float());
  EXPECT_TRUE(torch::equal(value_in(network.conv2->weight_source()), value_of(to_codes(before, 5))));
}

TEST(FrozenMethod, NamesTheTensorThatItCannotConvert) {
  SmallNetwork network;
  {
    torch::NoGradGuard no_grad;
    network.named_parameters()["fc.bias"][1] = std::numeric_limits<float>::infinity();
  }
  const auto message = message_of<std::invalid_argument>([&] { begin(network, kTrain); });
  EXPECT_TRUE(begins_with(message, "fc.bias: ")) << message;
}

// What precision adjustment would drop at threshold 0 is dropped here.
TEST(FrozenMethod, TrainingBeginsWithoutEmptyDigits) {
  torch::manual_seed(3);
  const auto integers = torch::randint(-3, 4, {3, 8}).mul(4);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  network.fc->set_weight(plane_source(integers, /*bits=*/7));
  const auto adjusted = adjust_precision(planes_of(integers, /*bits=*/7, torch::tensor(0.5F)), 0);
  begin(network, kTrain);
  EXPECT_EQ(network.fc->weight_source().bits(), adjusted.bits());
  const PlaneWeight expected(adjusted);
  EXPECT_TRUE(torch::equal(value_in(network.fc->weight_source()), value_in(expected)));
  EXPECT_TRUE(torch::equal(network.fc->weight_source().slots()[1].tensor, adjusted.scale));
}

TEST(FrozenMethod, ALayerWithoutADigitIsLeftWithZeroBits) {
  for (const bool is_training : {kTrain, kEvaluate}) {
    SmallNetwork network;
    bring_to(network, Form::kPlanes);
    network.fc->set_weight(plane_source(torch::zeros({3, 8}), /*bits=*/1));
    begin(network, is_training);
    EXPECT_EQ(network.fc->weight_source().bits(), 0);
    EXPECT_FALSE(network.named_parameters()["fc.weight"].requires_grad());
    EXPECT_EQ(scheme_of(network).at("fc").weight, 0);
  }
}

// Finetuning that goes on has a q between the points; it is not rounded away.
TEST(FrozenMethod, KeepsAQInMidTraining) {
  torch::manual_seed(4);
  SmallNetwork network;
  bring_to(network, Form::kFrozen);
  const auto state = save_network(network);
  for (const bool is_training : {kTrain, kEvaluate}) {
    begin(network, is_training);
    expect_same_state(save_network(network), state);
  }
  make_method("frozen")->adopt(network);
  expect_same_state(save_network(network), state);
}

TEST(FrozenMethod, TakesTheGridOfAnyMethod) {
  torch::manual_seed(5);
  Codes twos;
  twos.integers = torch::randint(-4, 4, {3, 8}, torch::kInt32);
  twos.scale = torch::rand({3}).add_(0.1);
  twos.format = twos_complement(3);
  for (const bool is_training : {kTrain, kEvaluate}) {
    SmallNetwork network;
    bring_to(network, Form::kPlanes);
    network.fc->set_weight(make_frozen(twos));
    begin(network, is_training);
    EXPECT_TRUE(torch::equal(value_in(network.fc->weight_source()), value_of(twos)));
    EXPECT_EQ(network.fc->weight_source().bits(), 3);
  }
}

TEST(FrozenMethod, TwoForwardPassesMakeTheStepOfTheJoinedBatch) {
  torch::manual_seed(6);
  const auto x = torch::randn({8, 3, 8, 8}, torch::kFloat64);
  SmallNetwork ours(/*activation_bits=*/0);
  SmallNetwork theirs(/*activation_bits=*/0);
  ours.to(torch::kFloat64);
  theirs.to(torch::kFloat64);
  bring_to(ours, Form::kFrozen, torch::kFloat64);
  load_network(theirs, save_network(ours));
  ours.eval();  // batch norm joins the images of a batch
  theirs.eval();
  const auto method = make_method("frozen");
  const auto split = method->make_optimizer(ours, SgdOptions());
  const auto joined = method->make_optimizer(theirs, SgdOptions());
  ours.forward(x.narrow(0, 0, 3)).square().sum().backward();
  ours.forward(x.narrow(0, 3, 5)).square().sum().backward();
  split->step(/*learning_rate=*/0.05);
  theirs.forward(x).square().sum().backward();
  joined->step(/*learning_rate=*/0.05);
  const auto expected = theirs.named_parameters();
  for (const auto& item : ours.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
  }
}

}  // namespace
}  // namespace bsq::test
