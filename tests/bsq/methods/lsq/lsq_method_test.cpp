#include <torch/utils.h>

#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/base/options.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/methods/lsq/lsq_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// In a network whose activations have their steps, so that evaluation changes nothing.
std::shared_ptr<SmallNetwork> trained_network(int64_t bits = 4) {
  auto network = lsq_network(bits);
  network->train();
  network->forward(torch::randn({4, 3, 8, 8}));
  return network;
}

torch::Tensor evaluated(SmallNetwork& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

NetworkState through_a_file(const NetworkState& state, const NetworkDescription& description) {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.method = "lsq";
  checkpoint.description = description;
  checkpoint.network = state;
  write_checkpoint(folder.file("a.h5"), checkpoint);
  const auto read = read_checkpoint(folder.file("a.h5"));
  EXPECT_EQ(read.description.activation, description.activation);
  return read.network;
}

TEST(LsqMethod, EdgesHaveEightBitsAndMastersAreTheFloatWeights) {
  torch::manual_seed(1);
  SmallNetwork network;
  const auto before = float_state(network);
  begin_lsq(network, /*bits=*/3);
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {8, 0}}, {"conv2", {3, 0}}, {"fc", {8, 0}}}));
  for (const auto& ref : coded_sources(network)) {
    const auto& source = dynamic_cast<const MasterWeight&>(ref.source());
    auto state = before;
    EXPECT_TRUE(torch::equal(source.tensor(), entry_in(state, ref.name).value)) << ref.name;
    EXPECT_EQ(source.kind(), "lsq");
  }
  EXPECT_EQ(network.description().activation, "lsq");
  const auto parameters = network.named_parameters();
  for (const char* name : {"conv1.step", "conv2.step", "fc.step", "relu1.step"}) {
    ASSERT_NE(parameters.find(name), nullptr) << name;
    EXPECT_TRUE(parameters[name].requires_grad()) << name;
  }
}

TEST(LsqMethod, EdgeBitsGiveWayToLayerBits) {
  SmallNetwork network;
  const auto method = make_method("lsq");
  OptionTable table;
  method->add_options(table);
  table.set("edge-bits", "6");
  method->begin(network, {LayerRules(3).layer_bits({{"fc", 5}})});
  EXPECT_EQ(scheme_of(network), (Scheme{{"conv1", {6, 0}}, {"conv2", {3, 0}}, {"fc", {5, 0}}}));
  EXPECT_THROW(table.set("edge-bits", "1"), OptionError);
}

TEST(LsqMethod, ShortcutsAndWhatTheUserKeepsStayFloat) {
  SmallNetwork network(/*activation_bits=*/0);
  network.conv2->set_role(LayerRole::kShortcut);
  make_method("lsq")->begin(network, {LayerRules(4).keep_float({"conv1"})});
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {8, 0}}}));
  EXPECT_EQ(network.description().activation, "uniform") << "--act 0: float activations stay";
}

TEST(LsqMethod, RefusesOneBit) {
  const auto method = make_method("lsq");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { method->check_rules(LayerRules(1)); }),
            "--bits 1: expected at least 2, as --method lsq needs");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              method->check_rules(LayerRules(4).layer_bits({{"fc", 1}}));
            }),
            "--layer-bits fc=1: expected at least 2, as --method lsq needs");
  method->check_rules(LayerRules(2));
}

TEST(LsqMethod, TakesItsOwnNetworkAsItIs) {
  torch::manual_seed(2);
  const auto network = trained_network();
  const auto before = save_network(*network);
  begin_lsq(*network, /*bits=*/7);
  expect_same_state(save_network(*network), before);
}

TEST(LsqMethod, AFileKeepsMastersAndSteps) {
  torch::manual_seed(3);
  const auto network = trained_network();
  const auto state = save_network(*network);
  const auto read = through_a_file(state, network->description());
  expect_same_state(read, state);
  const auto x = torch::randn({4, 3, 8, 8});
  EXPECT_TRUE(torch::equal(evaluated(*lsq_network_of(read), x), evaluated(*network, x)));
  EXPECT_EQ(sizes_of(read).bits_total, sizes_of(*network).bits_total);
}

TEST(LsqMethod, AFileOfCodesKeepsEveryValue) {
  torch::manual_seed(4);
  for (int64_t bits = 2; bits <= 8; ++bits) {
    const auto network = trained_network(bits);
    const auto packed = through_a_file(codes_of_network(*network), network->description());
    const auto x = torch::randn({4, 3, 8, 8});
    const auto loaded = lsq_network_of(packed);
    EXPECT_EQ(loaded->conv2->weight_source().kind(), "frozen");
    EXPECT_TRUE(torch::equal(evaluated(*loaded, x), evaluated(*network, x))) << bits;
    EXPECT_EQ(scheme_of(packed), scheme_of(*network));
  }
}

TEST(LsqMethod, FinetuningBeginsWithEveryValue) {
  torch::manual_seed(5);
  for (const bool is_training : {true, false}) {
    const auto network = trained_network();
    const auto x = torch::randn({4, 3, 8, 8});
    const auto before = float_state(*network);
    const auto scheme = scheme_of(*network);
    const auto logits = evaluated(*network, x);
    make_method("frozen")->begin(*network, {LayerRules(8), is_training});
    expect_same_state(float_state(*network), before);
    EXPECT_EQ(scheme_of(*network), scheme);
    EXPECT_TRUE(torch::equal(evaluated(*network, x), logits));
  }
}

TEST(LsqMethod, AFilesFaultIsNamedWithItsTensor) {
  const auto network = trained_network();
  auto state = save_network(*network);
  entry_in(state, "conv2.step").value = torch::tensor(0.0F);
  EXPECT_EQ(message_of<Error>([&] { lsq_network_of(state); }),
            "conv2.weight: lsq: a step of 0.000000; expected a positive number");
  entry_in(state, "conv2.step").value = torch::ones({8});
  EXPECT_EQ(message_of<Error>([&] { lsq_network_of(state); }),
            "conv2.weight: lsq: a step of shape [8]; expected one number");
}

TEST(LsqMethod, FilesThatSayLsqGetItsActivations) {
  register_methods();
  NetworkDescription description;
  description.activation = "lsq";
  description.activation_bits = 3;
  const auto activation = make_activation(description);
  EXPECT_EQ(activation->activation().bits(), 3);
  EXPECT_NE(activation->named_parameters().find("step"), nullptr);
}

TEST(LsqMethod, TwoForwardPassesMakeTheStepOfTheJoinedBatch) {
  torch::manual_seed(6);
  const auto x = torch::randn({8, 3, 8, 8}, torch::kFloat64);
  SmallNetwork ours, theirs;
  for (auto* network : {&ours, &theirs}) {
    network->to(torch::kFloat64);
    begin_lsq(*network);
    network->eval();  // batch norm joins the images of a batch
  }
  ours.named_parameters()["relu1.step"].detach().fill_(0.1);
  load_network(theirs, save_network(ours));
  const auto method = make_method("lsq");
  const auto split = method->make_optimizer(ours, SgdOptions());
  const auto joined = method->make_optimizer(theirs, SgdOptions());
  ours.forward(x.narrow(0, 0, 3)).square().sum().backward();
  ours.forward(x.narrow(0, 3, 5)).square().sum().backward();
  split->step(/*learning_rate=*/0.01);
  theirs.forward(x).square().sum().backward();
  joined->step(/*learning_rate=*/0.01);
  const auto expected = theirs.named_parameters();
  for (const auto& item : ours.named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
  }
}

}  // namespace
}  // namespace bsq::test
