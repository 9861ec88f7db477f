#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/int8/range_norm.h"
#include "bsq/nn/network_sizes.h"
#include "models/registry.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/bsq/methods/int8/int8_network.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

std::unique_ptr<Method> int8_with(const std::map<std::string, std::string>& options = {}) {
  auto method = make_method("int8");
  OptionTable table;
  method->add_options(table);
  for (const auto& [name, text] : options) {
    table.set(name, text);
  }
  return method;
}

torch::Tensor random_images(int64_t count = 6) {
  return torch::randn({count, 3, 8, 8}).contiguous(torch::MemoryFormat::ChannelsLast);
}

void train_step(Network& network, Method& method, Optimizer& optimizer, const torch::Tensor& x,
                const torch::Tensor& labels) {
  network.train();
  optimizer.zero_grad();
  torch::nn::functional::cross_entropy(network.forward(x), labels).backward();
  optimizer.step(/*learning_rate=*/0.1);
  StepSums sums;
  method.after_step(network, sums);
}

torch::Tensor evaluated(Network& network, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  network.eval();
  return network.forward(x);
}

// A network whose ranges are tracked.
std::shared_ptr<Network> trained_network(Method& method) {
  auto network = int8_network(method);
  const auto optimizer = method.make_optimizer(*network, SgdOptions());
  train_step(*network, method, *optimizer, random_images(), torch::arange(6).remainder(3));
  return network;
}

NetworkState through_a_file(const NetworkState& state, const NetworkDescription& description) {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.method = "int8";
  checkpoint.description = description;
  checkpoint.network = state;
  write_checkpoint(folder.file("a.h5"), checkpoint);
  return read_checkpoint(folder.file("a.h5")).network;
}

TEST(Int8Method, QuantizesEveryLayerNormAndGradient) {
  torch::manual_seed(1);
  const auto method = int8_with();
  const auto network = int8_network(*method);
  EXPECT_EQ(scheme_of(*network),
            (Scheme{{"conv1", {8, 0}}, {"conv2", {8, 0}}, {"downsample.0", {8, 0}}, {"fc", {8, 16}}}));
  int64_t norms = 0;
  for (const auto& module : network->modules(/*include_self=*/false)) {
    norms += dynamic_cast<RangeNorm*>(module.get()) != nullptr ? 1 : 0;
  }
  EXPECT_EQ(norms, 3);
  EXPECT_EQ(activation_quantizers(*network).size(), 4U + 3U) << "in front of layers and of norms";
  for (const auto& [path, layer] : quant_layers(*network)) {
    ASSERT_NE(layer->gradient(), nullptr) << path;
    EXPECT_FALSE(layer->gradient()->is_for_weights()) << path;
  }
}

TEST(Int8Method, OptionsSayHowGradientsAreQuantized) {
  const auto off = int8_with({{"bifurcation", "off"}});
  EXPECT_TRUE(quant_layers(*int8_network(*off)).front().second->gradient()->is_for_weights());
  const auto none = int8_with({{"gradient-bits", "0"}});
  EXPECT_EQ(quant_layers(*int8_network(*none)).front().second->gradient(), nullptr);
}

TEST(Int8Method, WhatTheUserKeepsFloatHasFloatGradients) {
  const auto method = int8_with();
  auto network = float_network(*method);
  method->begin(*network, {LayerRules(8).layer_bits({{"conv2", 4}}).keep_float({"fc"})});
  EXPECT_EQ(scheme_of(*network), (Scheme{{"conv1", {8, 0}}, {"conv2", {4, 0}}, {"downsample.0", {8, 0}}}));
  EXPECT_EQ(quant_layers(*network).back().second->gradient(), nullptr);
}

TEST(Int8Method, BiasesHaveTheBitsOfAProduct) {
  const auto method = int8_with();
  auto network = float_network(*method, /*activation_bits=*/3);
  method->begin(*network, {LayerRules(5)});
  EXPECT_EQ(quant_layers(*network).back().second->bias_source()->bits(), 8);
}

TEST(Int8Method, RefusesANetworkThatWasNotBuiltForIt) {
  SmallNetwork network;
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([&] { int8_with()->begin(network, {LayerRules(8)}); }),
               "has not the activations and norms that int8 needs"));
}

TEST(Int8Method, DecayActsOnWeightsOfLayersAlone) {
  for (const std::string which : {"weights", "all"}) {
    const auto method = int8_with({{"decay-on", which}});
    const auto network = int8_network(*method);
    const auto optimizer = method->make_optimizer(*network, {/*momentum=*/0, /*weight_decay=*/0.5});
    std::map<std::string, torch::Tensor> before;
    torch::NoGradGuard no_grad;
    for (auto& item : network->named_parameters()) {
      item.value().fill_(1);
      item.value().mutable_grad() = torch::zeros_like(item.value());
    }
    optimizer->step(/*learning_rate=*/1);
    for (const auto& item : network->named_parameters()) {
      const bool is_weight = item.value().dim() > 1;
      const double wanted = is_weight || which == "all" ? 0.5 : 1;
      EXPECT_EQ(item.value().mean().item<double>(), wanted) << item.key();
    }
  }
}

TEST(Int8Method, ThePublishedStartTrainsWithoutNaN) {
  torch::manual_seed(2);
  const auto method = int8_with({{"published-start", "true"}});
  const auto network = int8_network(*method);
  const auto parameters = network->named_parameters();
  EXPECT_EQ(parameters["bn2.weight"].abs().sum().item<double>(), 0) << "the deepest branch of the sum";
  EXPECT_EQ(parameters["downsample.1.weight"].min().item<double>(), 1);
  EXPECT_EQ(parameters["bn1.weight"].min().item<double>(), 1);
  EXPECT_EQ(parameters["fc.bias"].abs().sum().item<double>(), 0);
  EXPECT_LT(parameters["fc.weight"].abs().max().item<double>(), 0.06);
  const auto optimizer = method->make_optimizer(*network, {0.9, 1e-4});
  for (int64_t step = 0; step < 3; ++step) {
    train_step(*network, *method, *optimizer, random_images(), torch::arange(6).remainder(3));
    for (const auto& item : network->named_parameters()) {
      EXPECT_TRUE(item.value().isfinite().all().item<bool>()) << item.key() << " after step " << step;
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key() << " in step " << step;
    }
  }
  EXPECT_GT(parameters["bn2.weight"].abs().sum().item<double>(), 0) << "it learns";
}

TEST(Int8Method, TheNetworkOfDepth18HasFourteenLayers) {
  NetworkDescription description;
  description.options["depth"] = "18";
  const auto method = int8_with();
  const auto network = make_network(method->adapted(description));
  int64_t parameters = 0;
  for (const auto& parameter : network->parameters()) {
    parameters += parameter.numel();
  }
  EXPECT_EQ(parameters, 175258) << "as the published code builds it";
  EXPECT_EQ(quant_layers(*network).size(), 14U + 2U) << "two projections are not counted";
  EXPECT_TRUE(contains(remark_on(network->description()), "14 layers"));
}

TEST(Int8Method, NoiseIsDrawnAnewEachStepAndFollowsItsState) {
  torch::manual_seed(3);
  const auto method = int8_with();
  const auto network = int8_network(*method);
  const auto state = save_network(*network);
  const auto x = random_images();
  const auto gradient = [&](Network& of) {
    of.zero_grad();
    of.train();
    of.forward(x).square().sum().backward();
    return of.named_parameters()["conv1.weight"].grad().clone();
  };
  const auto first = gradient(*network);
  EXPECT_TRUE(torch::equal(gradient(*network), first)) << "of one step the noise is the same";
  StepSums sums;
  method->after_step(*network, sums);
  const auto second = gradient(*network);
  EXPECT_FALSE(torch::equal(second, first));
  const auto other = int8_with();
  const auto again = int8_network_of(state, *other);
  const auto from = method->state();
  const auto to = other->state();
  for (size_t i = 0; i < to.size(); ++i) {
    EXPECT_EQ(to[i].name, from[i].name);
    torch::Tensor(to[i].tensor).copy_(from[i].tensor);
  }
  EXPECT_TRUE(torch::equal(gradient(*again), second));
}

TEST(Int8Method, AFileKeepsMastersAndRanges) {
  torch::manual_seed(4);
  const auto method = int8_with();
  const auto network = trained_network(*method);
  const auto state = save_network(*network);
  const auto read = through_a_file(state, network->description());
  expect_same_state(read, state);
  const auto x = random_images();
  const auto loading = int8_with();
  EXPECT_TRUE(torch::equal(evaluated(*int8_network_of(read, *loading), x), evaluated(*network, x)));
  EXPECT_EQ(sizes_of(read).bits_total, sizes_of(*network).bits_total);
  EXPECT_EQ(sizes_of(read).stored_bits, sizes_of(*network).stored_bits) << "scales and offsets included";
}

TEST(Int8Method, AFileOfCodesKeepsEveryValue) {
  torch::manual_seed(5);
  const auto method = int8_with();
  const auto network = trained_network(*method);
  const auto packed = through_a_file(codes_of_network(*network), network->description());
  EXPECT_EQ(packed.front().second.encoding, Encoding::kCodes);
  EXPECT_TRUE(packed.front().second.offset.defined());
  const auto loading = int8_with();
  const auto loaded = float_network(*loading);
  load_network(*loaded, packed);
  const auto x = random_images();
  EXPECT_TRUE(torch::equal(evaluated(*loaded, x), evaluated(*network, x)));
  EXPECT_EQ(scheme_of(packed), scheme_of(*network));
  EXPECT_EQ(sizes_of(packed).stored_bits, sizes_of(*network).stored_bits);
  const auto again = through_a_file(save_network(*loaded), network->description());
  const auto reloaded = float_network(*loading);
  load_network(*reloaded, again);
  EXPECT_TRUE(torch::equal(evaluated(*reloaded, x), evaluated(*network, x)))
      << "as a latent grid with an offset";
}

TEST(Int8Method, FinetuningOnlyEvaluatesGridsWithAnOffset) {
  torch::manual_seed(6);
  const auto method = int8_with();
  const auto network = trained_network(*method);
  const auto x = random_images();
  const auto logits = evaluated(*network, x);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] {
                         make_method("frozen")->begin(*network, {LayerRules(8), /*is_training=*/true});
                       }),
                       "has a grid with an offset"));
  make_method("frozen")->begin(*network, {LayerRules(8), /*is_training=*/false});
  EXPECT_TRUE(torch::equal(evaluated(*network, x), logits));
}

TEST(Int8Method, TwoForwardPassesBeforeAStepAddUp) {
  torch::manual_seed(7);
  const auto x = torch::randn({8, 3, 8, 8}, torch::kFloat64);
  const auto method = int8_with({{"gradient-bits", "0"}});
  const auto ours = int8_network(*method), theirs = int8_network(*method);
  for (const auto& network : {ours, theirs}) {
    network->to(torch::kFloat64);
    network->train();
    torch::NoGradGuard no_grad;
    network->forward(x);
    network->eval();  // norms and ranges join the images of a batch
  }
  load_network(*theirs, save_network(*ours));
  theirs->eval();
  ours->forward(x.narrow(0, 0, 3)).square().sum().backward();
  ours->forward(x.narrow(0, 3, 5)).square().sum().backward();
  theirs->forward(x).square().sum().backward();
  const auto expected = theirs->named_parameters();
  for (const auto& item : ours->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value().grad(), expected[item.key()].grad(), 1e-9, 1e-9)) << item.key();
  }
}

}  // namespace
}  // namespace bsq::test
