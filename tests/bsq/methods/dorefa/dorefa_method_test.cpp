#include <torch/utils.h>

#include <stdexcept>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/methods/dorefa/dorefa_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

torch::Tensor evaluated(SmallNetwork& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

NetworkState through_a_file(const NetworkState& state, const NetworkDescription& description) {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.method = "dorefa";
  checkpoint.description = description;
  checkpoint.network = state;
  write_checkpoint(folder.file("a.h5"), checkpoint);
  const auto read = read_checkpoint(folder.file("a.h5"));
  EXPECT_EQ(read.description.activation, "dorefa");
  return read.network;
}

TEST(DorefaMethod, EdgesShortcutsAndBiasesStayFloat) {
  const auto network = dorefa_network(3);
  EXPECT_EQ(scheme_of(*network), (Scheme{{"conv2", {3, 0}}}));
  EXPECT_EQ(network->description().activation, "dorefa");
  SmallNetwork other;
  other.conv2->set_role(LayerRole::kShortcut);
  make_method("dorefa")->begin(other, {LayerRules(4).layer_bits({{"fc", 8}})});
  EXPECT_EQ(scheme_of(other), (Scheme{{"fc", {8, 0}}})) << "named by the user";
}

TEST(DorefaMethod, FloatActivationsStayWhereTheUserWantsThem) {
  SmallNetwork network(/*activation_bits=*/0);
  make_method("dorefa")->begin(network, {LayerRules(2)});
  EXPECT_EQ(network.description().activation, "uniform");
}

TEST(DorefaMethod, RefusesMoreThanEightBits) {
  const auto method = make_method("dorefa");
  method->check_rules(LayerRules(8).layer_bits({{"fc", 1}}));
  EXPECT_EQ(message_of<std::invalid_argument>([&] { method->check_rules(LayerRules(9)); }),
            "--bits 9: expected at most 8, as --method dorefa needs");
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              method->check_rules(LayerRules(4).layer_bits({{"fc", 16}}));
            }),
            "--layer-bits fc=16: expected at most 8, as --method dorefa needs");
}

TEST(DorefaMethod, FilesOfMastersAndOfCodesKeepEveryValue) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    const auto network = dorefa_network(bits);
    const auto x = torch::randn({4, 3, 8, 8});
    const auto logits = evaluated(*network, x);
    const auto state = save_network(*network);
    const auto read = through_a_file(state, network->description());
    expect_same_state(read, state);
    EXPECT_TRUE(torch::equal(evaluated(*dorefa_network_of(read), x), logits)) << bits;
    const auto packed = through_a_file(codes_of_network(*network), network->description());
    const auto loaded = dorefa_network_of(packed);
    EXPECT_EQ(loaded->conv2->weight_source().kind(), "frozen");
    EXPECT_TRUE(torch::equal(evaluated(*loaded, x), logits)) << bits;
    EXPECT_EQ(scheme_of(packed), scheme_of(*network));
    EXPECT_EQ(sizes_of(packed).bits_total, sizes_of(*network).bits_total);
  }
}

TEST(DorefaMethod, FinetuningBeginsWithEveryValue) {
  torch::manual_seed(2);
  const auto network = dorefa_network();
  const auto x = torch::randn({4, 3, 8, 8});
  const auto logits = evaluated(*network, x);
  make_method("frozen")->begin(*network, {LayerRules(8)});
  EXPECT_TRUE(torch::equal(evaluated(*network, x), logits));
}

TEST(DorefaMethod, TwoForwardPassesMakeTheStepOfTheJoinedBatch) {
  torch::manual_seed(3);
  const auto x = torch::randn({8, 3, 8, 8}, torch::kFloat64);
  const auto ours = dorefa_network();
  const auto theirs = dorefa_network_of(save_network(*ours));
  for (const auto& network : {ours, theirs}) {
    network->to(torch::kFloat64);
    network->eval();  // batch norm joins the images of a batch
  }
  const auto method = make_method("dorefa");
  const auto split = method->make_optimizer(*ours, SgdOptions());
  const auto joined = method->make_optimizer(*theirs, SgdOptions());
  ours->forward(x.narrow(0, 0, 3)).square().sum().backward();
  ours->forward(x.narrow(0, 3, 5)).square().sum().backward();
  split->step(/*learning_rate=*/0.01);
  theirs->forward(x).square().sum().backward();
  joined->step(/*learning_rate=*/0.01);
  const auto expected = theirs->named_parameters();
  for (const auto& item : ours->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), expected[item.key()], 1e-9, 1e-9)) << item.key();
  }
}

}  // namespace
}  // namespace bsq::test
