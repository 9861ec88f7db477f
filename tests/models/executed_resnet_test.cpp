#include <gtest/gtest.h>
#include <torch/utils.h>

#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/bsq/plane_optimizer.h"
#include "models/registry.h"
#include "tests/models/hand_written_resnet.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

constexpr int64_t kDepth = 14;

struct Pair {
  std::shared_ptr<Network> built, by_hand;
};

Pair make_pair(int64_t activation_bits) {
  NetworkDescription description;
  description.activation_bits = activation_bits;
  description.options["depth"] = std::to_string(kDepth);
  torch::manual_seed(1);
  auto built = make_network(description);
  torch::manual_seed(1);
  return {built, hand_written_resnet(kDepth, description)};
}

template <typename Items>
void expect_same_tensors(const Items& a, const Items& b, const std::string& what) {
  ASSERT_EQ(a.keys(), b.keys()) << what;
  for (const auto& item : a) {
    EXPECT_TRUE(same_bits(item.value(), b[item.key()])) << what << ", " << item.key();
  }
}

// Planes have no gradients of their own: theirs shows in the tensors after a step.
void expect_same_gradients(const Network& a, const Network& b, const std::string& what) {
  const auto gradients = b.named_parameters();
  for (const auto& item : a.named_parameters()) {
    const auto& other = gradients[item.key()].grad();
    ASSERT_EQ(item.value().grad().defined(), other.defined()) << what << ", " << item.key();
    if (other.defined()) {
      EXPECT_TRUE(same_bits(item.value().grad(), other)) << what << ", " << item.key();
    }
  }
}

TEST(ExecutedResNet, BeginsAsTheHandWrittenOne) {
  const auto pair = make_pair(/*activation_bits=*/3);
  expect_same_tensors(pair.built->named_parameters(), pair.by_hand->named_parameters(), "parameters");
  expect_same_tensors(pair.built->named_buffers(), pair.by_hand->named_buffers(), "buffers");
}

TEST(ExecutedResNet, LeavesTheRandomStreamWhereTheHandWrittenOneDoes) {
  NetworkDescription description;
  description.options["depth"] = std::to_string(kDepth);
  torch::manual_seed(2);
  make_network(description);
  const auto expected = torch::rand({8});
  torch::manual_seed(2);
  hand_written_resnet(kDepth, description);
  EXPECT_TRUE(same_bits(torch::rand({8}), expected));
}

// Two steps of plain gradient descent, then an evaluation.
void compare_training(int64_t activation_bits, torch::ScalarType type, bool in_bits) {
  const auto what =
      std::string(toString(type)) + (in_bits ? " in bits, act " : ", act ") + std::to_string(activation_bits);
  const auto pair = make_pair(activation_bits);
  torch::manual_seed(3);
  const auto images = torch::randn({4, 3, 32, 32}).to(type).contiguous(torch::MemoryFormat::ChannelsLast);
  for (const auto& network : {pair.built, pair.by_hand}) {
    if (in_bits) {
      to_bits(*network, LayerRules(4));
    }
    PlaneOptimizer sgd(*network, SgdOptions{0.9, 1e-4}, published_rule(/*alpha=*/0.01));
    for (int step = 0; step < 2; ++step) {
      sgd.zero_grad();
      network->forward(images).square().sum().backward();
      sgd.step(/*learning_rate=*/0.01);
    }
    network->eval();
  }
  expect_same_gradients(*pair.built, *pair.by_hand, what);
  expect_same_tensors(pair.built->named_parameters(), pair.by_hand->named_parameters(), what);
  expect_same_tensors(pair.built->named_buffers(), pair.by_hand->named_buffers(), what);
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(same_bits(pair.built->forward(images), pair.by_hand->forward(images))) << what;
}

TEST(ExecutedResNet, TrainsAsTheHandWrittenOneBitForBit) {
  const int threads = torch::get_num_threads();
  torch::set_num_threads(1);
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    for (const bool in_bits : {false, true}) {
      compare_training(/*activation_bits=*/4, type, in_bits);
      compare_training(/*activation_bits=*/3, type, in_bits);
    }
  }
  torch::set_num_threads(threads);
}

}  // namespace
}  // namespace bsq::test
