#include "tests/golden/hysteresis_golden.h"

#include <torch/utils.h>

#include <iostream>

#include "bsq/methods/hysteresis/alpha_steps.h"
#include "bsq/methods/hysteresis/feature_map.h"
#include "bsq/methods/hysteresis/hysteresis_quantizer.h"
#include "bsq/methods/hysteresis/loop_optimizer.h"
#include "bsq/methods/hysteresis/published_optimizer.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/quant_conv2d.h"
#include "tests/golden/golden_file.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// One case of `optimizer`: a list of parameters, and gradients that are given.
struct OptimizerCase {
  const GoldenFile& golden;
  std::string group;

  double number(const std::string& attribute) const { return golden.number(group, attribute); }
  std::vector<std::string> names() const { return golden.members(group); }
  bool is_binary(const std::string& name) const { return golden.has(group + "/" + name + "/scale"); }
  torch::Tensor row(const std::string& name, const std::string& what, int64_t step) const {
    return golden.tensor(group + "/" + name + "/" + what)[step].clone();
  }
  void expect_row(const std::string& name, const std::string& what, int64_t step,
                  const torch::Tensor& ours) const {
    expect_within(ours, row(name, what, step), step == 0 ? kValueTolerance : kTrainedTolerance,
                  group + "/" + name + " " + what + " after step " + std::to_string(step));
  }
};

void run_published(const OptimizerCase& golden) {
  torch::nn::Module network;
  std::set<std::string> binary;
  for (const auto& name : golden.names()) {
    network.register_parameter(name, golden.row(name, "hidden", 0));
    if (golden.is_binary(name)) {
      binary.insert(name);
    }
  }
  PublishedOptimizer optimizer(network, {golden.number("momentum"), golden.number("weight_decay")},
                               golden.number("threshold"), binary);
  const auto steps = static_cast<int64_t>(golden.number("steps"));
  for (int64_t step = 0; step <= steps; ++step) {
    const auto state = optimizer.state();
    for (auto& item : network.named_parameters()) {
      const auto hidden = state.find(item.key() + ".hidden");
      golden.expect_row(item.key(), "hidden", step, hidden == state.end() ? item.value() : hidden->second);
      golden.expect_row(item.key(), "visible", step, item.value());
      if (step < steps) {
        item.value().mutable_grad() = golden.row(item.key(), "gradient", step);
      }
    }
    optimizer.step(step < steps ? golden.number("lr") : 0);
  }
}

// The case's parameters: binary ones as layers of weights that the loop keeps.
struct LoopParameters {
  explicit LoopParameters(const OptimizerCase& golden) {
    for (const auto& name : golden.names()) {
      const auto hidden = golden.row(name, "hidden", 0);
      if (!golden.is_binary(name)) {
        network.register_parameter(name, hidden);
        continue;
      }
      QuantConv2d layer(
          QuantConv2dOptions(hidden.size(1), hidden.size(0), {hidden.size(2), hidden.size(3)}).bias(false));
      layer->set_weight(std::make_unique<MasterWeight>(hidden, HysteresisQuantizer::for_weights(hidden)));
      layers.emplace(name, network.register_module(name, layer));
    }
  }
  torch::Tensor visible(const std::string& name) const {
    const auto found = layers.find(name);
    return found == layers.end() ? network.named_parameters()[name] : found->second->weight_source().value();
  }
  torch::Tensor hidden(const std::string& name) const {
    return network.named_parameters()[layers.count(name) > 0 ? name + ".weight" : name];
  }

  torch::nn::Module network;
  std::map<std::string, QuantConv2d> layers;
};

// Decay of the visible weight, which the file has, is part of the gradient here: ours decays the hidden one.
void run_loop(const OptimizerCase& golden) {
  LoopParameters parameters(golden);
  LoopOptimizer optimizer(parameters.network, {golden.number("momentum"), /*weight_decay=*/0},
                          {golden.number("threshold"), /*is_relative=*/false});
  const auto steps = static_cast<int64_t>(golden.number("steps"));
  for (int64_t step = 0; step <= steps; ++step) {
    optimizer.zero_grad();
    for (const auto& name : golden.names()) {
      const auto visible = parameters.visible(name);
      golden.expect_row(name, "hidden", step, parameters.hidden(name));
      golden.expect_row(name, "visible", step, visible);
      if (step < steps) {
        visible.backward(golden.row(name, "gradient", step) +
                         visible.detach() * golden.number("weight_decay"));
      }
    }
    optimizer.step(step < steps ? golden.number("lr") : 0);
  }
}

TEST(HysteresisGolden, Optimizers) {
  const auto path = golden_methods_path("hysteresis.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of golden files of methods is missing";
  }
  const GoldenFile golden(path);
  for (const auto& name : golden.members("optimizer")) {
    const OptimizerCase run{golden, "optimizer/" + name};
    ASSERT_EQ(run.number("dampening"), 0) << run.group << ": our SGD has no dampening";
    const auto rule = golden.text(run.group, "rule");
    ASSERT_TRUE(rule == "published" || rule == "loop") << run.group << ": " << rule;
    rule == "loop" ? run_loop(run) : run_published(run);
  }
}

// The activation of one case in a network of its own, so that its alpha can be trained.
void expect_activation(const GoldenFile& golden, const std::string& group, bool is_pact) {
  const auto bits = static_cast<int64_t>(golden.number(group, "bits"));
  torch::nn::Module network;
  std::unique_ptr<Activation> made;
  if (is_pact) {
    made = std::make_unique<PactMap>(bits);
  } else {
    made = std::make_unique<FixedMap>(bits);
  }
  auto map = network.register_module("map", ActivationQuantizer(std::move(made)));
  map->to(torch::kFloat64);
  AlphaSteps steps(network);
  for (auto& alpha : map->parameters()) {
    alpha.detach().copy_(golden.tensor(group + "/alpha_before").squeeze());
  }
  const auto x = golden.tensor(group + "/input").set_requires_grad(true);
  const auto y = map->forward(x);
  expect_within(y, golden.tensor(group + "/output"), kValueTolerance, group + " output");
  y.backward(golden.tensor(group + "/grad_output"));
  expect_within(x.grad(), golden.tensor(group + "/grad_input"), kValueTolerance, group + " gradient");
  steps.step();
  ASSERT_EQ(map->parameters().size(), is_pact ? 1U : 0U);
  for (const auto& alpha : map->parameters()) {
    expect_within(alpha.reshape({1}), golden.tensor(group + "/alpha_after"), kTrainedTolerance,
                  group + " alpha");
  }
}

TEST(HysteresisGolden, FeatureMaps) {
  const auto path = golden_methods_path("hysteresis.h5");
  if (path.empty()) {
    GTEST_SKIP() << "the folder of golden files of methods is missing";
  }
  const GoldenFile golden(path);
  for (const auto& kind : golden.members("activation")) {
    const auto of_kind = "activation/" + kind;
    if (kind != "fixed" && kind != "pact") {
      std::cout << of_kind << ": not held to, the published network does not use it and we do not build it\n";
      continue;
    }
    for (const auto& bits : golden.members(of_kind)) {
      for (const auto& name : golden.members(of_kind + "/" + bits)) {
        expect_activation(golden, of_kind + "/" + bits + "/" + name, kind == "pact");
      }
    }
  }
}

}  // namespace
}  // namespace bsq::test
