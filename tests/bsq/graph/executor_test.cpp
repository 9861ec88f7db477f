#include "bsq/graph/executor.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <thread>

#include "bsq/graph/graph_network.h"
#include "tests/bsq/graph/plain_run.h"
#include "tests/bsq/graph/random_flow.h"
#include "tests/bsq/methods/bsq/support.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr uint64_t kFlows = 12;

NetworkDescription float_activations() {
  NetworkDescription description;
  description.activation_bits = 0;
  return description;
}

/// Logits, and the gradients of the images and of every parameter.
using Results = std::map<std::string, torch::Tensor>;

template <typename Forward>
Results results_of(GraphNetwork& network, const torch::Tensor& images, Forward forward) {
  network.zero_grad();
  const auto x = images.detach().clone().set_requires_grad(true);
  const auto logits = forward(x);
  torch::manual_seed(7);
  (logits * torch::randn(logits.sizes(), logits.options())).sum().backward();
  Results results = {{"logits", logits.detach()}, {"images", x.grad()}};
  for (const auto& item : network.named_parameters()) {
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
    results[item.key()] = item.value().grad().clone();
  }
  return results;
}

double norm_of(const torch::Tensor& tensor) { return tensor.to(torch::kFloat64).norm().item<double>(); }

// Relative to each gradient, and for small ones, which others cancel to, to the largest of all.
void expect_close(const Results& found, const Results& expected, double tolerance, uint64_t seed) {
  double largest = 0;
  for (const auto& [name, tensor] : expected) {
    largest = std::max(largest, norm_of(tensor));
  }
  for (const auto& [name, tensor] : expected) {
    const double scale = std::max(norm_of(tensor), 0.01 * largest);
    EXPECT_LE(norm_of(found.at(name) - tensor), tolerance * scale) << "flow " << seed << ", " << name;
  }
}

struct Runs {
  Results ours, plain;
};

// The executor and libtorch's own functions on the same modules.
Runs run_both(GraphNetwork& network, const torch::Tensor& images) {
  const auto plain = [&](const torch::Tensor& x) { return run_plainly(*network.program(), x); };
  const auto ours = [&](const torch::Tensor& x) { return network.forward(x); };
  return {results_of(network, images, ours), results_of(network, images, plain)};
}

template <typename Check>
void for_random_flows(torch::ScalarType type, Check check) {
  for (uint64_t seed = 0; seed < kFlows; ++seed) {
    for (const bool is_training : {true, false}) {
      torch::manual_seed(seed);
      GraphNetwork network(float_activations(), random_flow(seed));
      network.to(type);
      network.train(is_training);
      check(network, torch::randn({4, 3, 32, 32}).to(type), seed);
    }
  }
}

TEST(Executor, IsThePlainRunInFloat64) {
  for_random_flows(torch::kFloat64, [](auto& network, const auto& images, uint64_t seed) {
    const auto runs = run_both(network, images);
    expect_close(runs.ours, runs.plain, 1e-9, seed);
  });
}

TEST(Executor, IsThePlainRunInFloat32) {
  for_random_flows(torch::kFloat32, [](auto& network, const auto& images, uint64_t seed) {
    const auto runs = run_both(network, images);
    expect_close(runs.ours, runs.plain, 1e-3, seed);
  });
}

double total_difference(const Results& a, const Results& b) {
  double squares = 0;
  for (const auto& [name, tensor] : a) {
    squares += std::pow(norm_of(tensor - b.at(name)), 2);
  }
  return std::sqrt(squares);
}

// Roundings fall out differently on every CPU: one flow alone may differ by more than all together.
TEST(Executor, Bfloat16IsAsCloseToFloat32AsInThePlainRun) {
  double ours = 0;
  double plain = 0;
  for_random_flows(torch::kFloat32, [&](auto& network, const auto& images, uint64_t seed) {
    const auto exact = run_both(network, images).plain;
    const auto runs = run_both(network, images.to(torch::kBFloat16));
    const double our_difference = total_difference(runs.ours, exact);
    const double plain_difference = total_difference(runs.plain, exact);
    EXPECT_LE(our_difference, 1.5 * plain_difference) << seed;
    ours += our_difference;
    plain += plain_difference;
  });
  EXPECT_LE(ours, 1.1 * plain);
}

// A norm, then `tail` on it and on the value before the norm.
using Tail = std::function<Value(Builder&, Value before, Value normal)>;
Flow norm_and(const Tail& tail) {
  return [tail](Builder& b, Value image) {
    const auto x = b.conv("conv", image, /*planes=*/8, /*kernel=*/3, /*stride=*/2);
    const auto y = tail(b, x, b.norm("norm", x));
    return b.linear("fc", b.global_average_pool(y), b.description().classes);
  };
}

TEST(Executor, FusesWhatStandsBehindANorm) {
  const Tail tails[] = {
      [](Builder&, Value, Value normal) { return normal; },
      [](Builder& b, Value, Value normal) { return b.relu(normal); },
      [](Builder& b, Value, Value normal) { return b.activation("act", normal); },
      [](Builder& b, Value before, Value normal) { return b.add(before, normal); },
      [](Builder& b, Value before, Value normal) { return b.relu(b.add(normal, before)); },
      [](Builder& b, Value before, Value normal) { return b.activation("act", b.add(normal, before)); },
      [](Builder& b, Value, Value normal) { return b.add(normal, normal); },
      [](Builder& b, Value before, Value normal) { return b.add(b.norm("norm2", before), normal); },
      [](Builder& b, Value, Value normal) { return b.add(b.relu(normal), b.activation("act", normal)); },
      [](Builder& b, Value, Value normal) {
        const auto y = b.relu(normal);
        return b.add(b.add(y, b.conv("conv2", y, /*planes=*/8, /*kernel=*/3)), y);
      }};
  for (size_t i = 0; i < std::size(tails); ++i) {
    torch::manual_seed(3);
    GraphNetwork network(float_activations(), norm_and(tails[i]));
    const auto images = torch::randn({4, 3, 32, 32});
    const auto runs = run_both(network, images);
    expect_close(runs.ours, runs.plain, 1e-4, i);
  }
}

TEST(Executor, QuantizedActivationsAreTheModules) {
  torch::manual_seed(4);
  GraphNetwork network({}, norm_and([](Builder& b, Value before, Value normal) {
                         return b.add(b.activation("act", normal), b.activation("alone", before));
                       }));
  network.to(torch::kFloat64);
  const auto images = torch::randn({2, 3, 32, 32}, torch::kFloat64);
  for (const bool is_training : {true, false}) {
    network.train(is_training);
    const auto expected = run_plainly(*network.program(), images);
    EXPECT_TRUE(torch::allclose(network.forward(images), expected, /*rtol=*/1e-10, /*atol=*/1e-12));
  }
}

TEST(Executor, TheImageMayBeReadTwiceAndStays) {
  GraphNetwork network({}, [](Builder& b, Value image) {
    const auto x = b.add(b.conv("a", image, /*planes=*/3, /*kernel=*/3), image);
    return b.linear("fc", b.flatten(b.max_pool(x, {8, 8, 0})), b.description().classes);
  });
  const auto images = torch::randn({2, 3, 32, 32});
  const auto before = images.clone();
  EXPECT_TRUE(torch::equal(network.forward(images), network.forward(images)));
  EXPECT_TRUE(torch::equal(images, before));
}

TEST(Executor, TwoThreadsRunOneNetwork) {
  torch::manual_seed(5);
  // Float layers alone: BSQ's keep their last weight.
  GraphNetwork network({}, [](Builder& b, Value image) {
    const auto layer = ConvOptions(10, 3).stride(2).role(LayerRole::kShortcut);
    return b.global_average_pool(b.relu(b.norm("norm", b.conv("conv", image, layer))));
  });
  network.eval();
  const auto images = torch::randn({8, 3, 32, 32});
  const auto expected = network.forward(images);
  const auto run = [&] {
    torch::NoGradGuard no_grad;
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(same_bits(network.forward(images), expected));
    }
  };
  std::thread other(run);
  run();
  other.join();
}

TEST(Executor, TwoForwardsBeforeABackwardAddUp) {
  torch::manual_seed(6);
  GraphNetwork network(float_activations(), random_flow(3));
  network.eval();
  const auto a = torch::randn({2, 3, 32, 32}), b = torch::randn({2, 3, 32, 32});
  const auto gradient_of = [&](const std::vector<torch::Tensor>& batches) {
    network.zero_grad();
    std::vector<torch::Tensor> sums;
    for (const auto& batch : batches) {
      sums.push_back(network.forward(batch).sum());
    }
    torch::stack(sums).sum().backward();
    return network.named_parameters()["conv.weight"].grad().clone();
  };
  EXPECT_TRUE(torch::allclose(gradient_of({a, b}), gradient_of({a}) + gradient_of({b}), 1e-4, 1e-5));
}

TEST(Executor, NeedsModules) {
  const auto program = record({}, random_flow(1), /*root=*/nullptr);
  EXPECT_TRUE(contains(message_of<std::invalid_argument>([&] { Executor executor(program); }),
                       "conv: recorded without a module"));
}

}  // namespace
}  // namespace bsq::test
