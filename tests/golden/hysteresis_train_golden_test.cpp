#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <cmath>

#include "bsq/base/options.h"
#include "bsq/methods/methods.h"
#include "tests/golden/golden_model.h"
#include "tests/golden/hysteresis_golden.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr const char* kGroup = "resnet20";

using Tensors = std::map<std::string, torch::Tensor>;

std::string text_of(double number) { return shortest_text(number); }

/// One run of the file's network.
struct GoldenRun {
  const GoldenFile& golden;
  std::string group;

  double number(const std::string& attribute) const { return golden.number(group, attribute); }
  std::string text(const std::string& attribute) const { return golden.text(group, attribute); }
  torch::Tensor tensor(const std::string& name) const { return golden.tensor(group + "/" + name); }
  int64_t steps() const { return static_cast<int64_t>(golden.number(kGroup, "steps")); }
  bool is_loop() const { return text("rule") == "loop"; }
  Batch images(int64_t step, int64_t count) const {
    const auto first = static_cast<int64_t>(golden.number(kGroup, "first_image"));
    const auto batch = static_cast<int64_t>(golden.number(kGroup, "batch"));
    const auto pixels = exact_pixels(/*is_test=*/false, first + batch * step, count);
    return {normalized(pixels.images), pixels.labels};
  }
  // In float64 throughout.
  torch::Tensor normalized(const torch::Tensor& pixels) const {
    const auto mean = golden.numbers(kGroup, "mean").view({1, 3, 1, 1});
    const auto std = golden.numbers(kGroup, "std").view({1, 3, 1, 1});
    return pixels.to(torch::kFloat64).div(255).sub(mean).div(std);
  }
  Batch batch(int64_t step) const {
    return images(step, static_cast<int64_t>(golden.number(kGroup, "batch")));
  }
};

std::unique_ptr<Method> method_of(const GoldenRun& run) {
  auto method = make_method("hysteresis");
  OptionTable table;
  method->add_options(table);
  table.set("hysteresis", run.text("rule"));
  table.set("threshold", text_of(run.number("threshold")));
  table.set("threshold-rule", "absolute");
  table.set("map", run.text("quantizer"));
  for (const std::string stage : {"quantize_layer1", "quantize_layer2", "quantize_layer3"}) {
    table.set(stage, text_of(run.golden.number(kGroup, stage)));
  }
  return method;
}

NetworkState initial_state(const GoldenFile& golden) {
  const auto group = std::string(kGroup) + "/initial_state";
  NetworkState state;
  for (const auto& name : golden.members(group)) {
    StoredTensor stored;
    stored.value = golden.tensor(group + "/" + name);
    state.emplace_back(name, stored);
  }
  return state;
}

std::shared_ptr<Network> network_of(const GoldenRun& run, Method& method) {
  NetworkDescription description;
  description.activation_bits = 2;
  auto network = make_network(method.adapted(description));
  network->to(torch::kFloat64);
  load_network(*network, initial_state(run.golden), StateOrigin::kImported);
  method.begin(*network, {LayerRules(1)});
  return network;
}

/// What is compared, by the names of parameters.
struct Weights {
  Weights(Network& network, const Optimizer& optimizer) {
    torch::NoGradGuard no_grad;
    for (const auto& item : network.named_parameters()) {
      hidden[item.key()] = visible[item.key()] = item.value().detach();
    }
    for (const auto& [name, tensor] : optimizer.state()) {
      if (const auto end = name.rfind(".hidden"); end != std::string::npos) {
        hidden[name.substr(0, end)] = tensor;
      }
    }
    for (const auto& ref : coded_sources(network)) {
      visible[ref.name] = ref.source().value();
    }
  }
  Tensors hidden, visible;
};

// Sum and sum of squares. A sum is held relative to the size that it can have.
void expect_sums(const torch::Tensor& ours, const torch::Tensor& golden, double tolerance,
                 const std::string& what) {
  const double squares = golden[1].item<double>();
  const double most = std::sqrt(static_cast<double>(ours.numel()) * squares);
  EXPECT_NEAR(ours.sum().item<double>(), golden[0].item<double>(), tolerance * std::max(most, 1e-9)) << what;
  EXPECT_NEAR(ours.square().sum().item<double>(), squares, tolerance * std::max(squares, 1e-12)) << what;
}

void expect_all_sums(const GoldenRun& run, const std::string& table, const Tensors& ours, double tolerance) {
  const auto names = run.golden.texts(run.group + "/" + table, "names");
  const auto rows = run.tensor(table);
  ASSERT_EQ(static_cast<int64_t>(names.size()), rows.size(0)) << table;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto what = run.group + " " + table + " " + names[i];
    ASSERT_EQ(ours.count(names[i]), 1U) << what;
    expect_sums(ours.at(names[i]), rows[static_cast<int64_t>(i)], tolerance, what);
  }
}

void expect_whole(const GoldenRun& run, const std::string& group, const Tensors& ours) {
  for (const auto& name : run.golden.members(run.group + "/" + group)) {
    if (name != "hidden" && name != "visible") {
      ASSERT_EQ(ours.count(name), 1U) << group << "/" << name;
      expect_within(ours.at(name), run.tensor(group + "/" + name), kTrainedTolerance,
                    run.group + " " + group + "/" + name);
    }
  }
}

Tensors gradients_of(Network& network) {
  Tensors gradients;
  for (const auto& item : network.named_parameters()) {
    gradients[item.key()] = item.value().grad();
  }
  return gradients;
}

Tensors buffers_of(Network& network) {
  Tensors buffers;
  for (const auto& item : network.named_buffers()) {
    buffers[item.key()] = item.value();
  }
  return buffers;
}

// Decay of visible weights, as the file has it with either rule; ours with the loop decays hidden ones.
void decay_visible(Network& network, const Optimizer& optimizer, double decay) {
  const Weights weights(network, optimizer);
  for (auto& item : network.named_parameters()) {
    if (item.key().rfind(".alpha") == std::string::npos) {
      item.value().mutable_grad().add_(weights.visible.at(item.key()), decay);
    }
  }
}

// "layer1.0.binact1" is our "layer1.0.conv1_input.alpha".
std::string alpha_name(std::string name) {
  const auto at = name.rfind("binact");
  return at == std::string::npos ? name : name.replace(at, 6, "conv") + "_input.alpha";
}

void expect_traces(const GoldenRun& run, const Weights& weights, int64_t step) {
  const std::string prefix = "trace_";
  for (const auto& name : run.golden.members(run.group)) {
    if (name.rfind(prefix, 0) == 0) {
      const auto weight = name.substr(prefix.size()) + ".weight";
      const auto row = run.tensor(name)[step];
      const auto what = run.group + " " + name + " step " + std::to_string(step);
      expect_sums(weights.hidden.at(weight), row.slice(0, 0, 2), kTrainedTolerance, what + " hidden");
      expect_sums(weights.visible.at(weight), row.slice(0, 2, 4), kTrainedTolerance, what + " visible");
    }
  }
}

void expect_alphas(const GoldenRun& run, const Weights& weights, int64_t step) {
  if (!run.golden.has(run.group + "/alpha")) {
    return;
  }
  const auto names = run.golden.texts(run.group + "/alpha", "names");
  const auto row = run.tensor("alpha")[step];
  for (size_t i = 0; i < names.size(); ++i) {
    const auto name = alpha_name(names[i]);
    ASSERT_EQ(weights.hidden.count(name), 1U) << name;
    expect_within(weights.hidden.at(name), row[static_cast<int64_t>(i)], kTrainedTolerance,
                  run.group + " " + name + " step " + std::to_string(step));
  }
}

void train_step(const GoldenRun& run, Network& network, Optimizer& optimizer, int64_t step) {
  const auto batch = run.batch(step);
  const double tolerance = step == 0 ? kValueTolerance : kTrainedTolerance;
  const auto what = run.group + " step " + std::to_string(step);
  network.train();
  optimizer.zero_grad();
  const auto logits = network.forward(batch.images);
  const auto loss = torch::nn::functional::cross_entropy(logits, batch.labels);
  loss.backward();
  expect_within(logits, run.tensor("logits")[step], tolerance, what + " logits");
  expect_within(loss, run.tensor("loss")[step], tolerance, what + " loss");
  if (step == 0) {
    expect_all_sums(run, "first_gradients", gradients_of(network), kTrainedTolerance);
  }
  if (run.is_loop()) {
    decay_visible(network, optimizer, run.number("weight_decay"));
  }
  optimizer.step(run.number("lr"));
  const Weights weights(network, optimizer);
  expect_traces(run, weights, step);
  expect_alphas(run, weights, step);
}

void expect_run(const GoldenRun& run) {
  const auto method = method_of(run);
  const auto network = network_of(run, *method);
  const double decay = run.is_loop() ? 0 : run.number("weight_decay");
  const auto optimizer = method->make_optimizer(*network, {run.number("momentum"), decay});
  for (int64_t step = 0; step < run.steps(); ++step) {
    train_step(run, *network, *optimizer, step);
  }
  const Weights weights(*network, *optimizer);
  expect_all_sums(run, "hidden_sums", weights.hidden, kTrainedTolerance);
  expect_all_sums(run, "visible_sums", weights.visible, kTrainedTolerance);
  expect_all_sums(run, "buffer_sums", buffers_of(*network), kTrainedTolerance);
  expect_whole(run, "whole", buffers_of(*network));
  expect_whole(run, "whole/hidden", weights.hidden);
  expect_whole(run, "whole/visible", weights.visible);
  torch::NoGradGuard no_grad;
  network->eval();
  const auto logits = run.tensor("eval_logits");
  expect_within(network->forward(run.images(run.steps(), logits.size(0)).images), logits, kTrainedTolerance,
                run.group + " evaluation");
}

TEST(HysteresisGolden, TrainingRuns) {
  const auto path = golden_methods_path("hysteresis.h5");
  if (path.empty() || !has_shared_files()) {
    GTEST_SKIP() << "the folder of golden files of methods or the shared images are missing";
  }
  const GoldenFile golden(path);
  for (const auto& name : golden.members(kGroup)) {
    if (name != "initial_state") {
      expect_run({golden, std::string(kGroup) + "/" + name});
    }
  }
}

}  // namespace
}  // namespace bsq::test
