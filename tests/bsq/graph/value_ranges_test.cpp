#include "bsq/graph/value_ranges.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/graph/conv_norms.h"
#include "bsq/graph/graph_network.h"

namespace bsq::test {
namespace {

constexpr int64_t kConv = 1, kNorm = 2, kRelu = 3;  // nodes

// A norm that goes into a convolution, and one that does not.
std::shared_ptr<GraphNetwork> small_network() {
  auto network = std::make_shared<GraphNetwork>(NetworkDescription(), [](Builder& b, Value image) {
    const auto x = b.relu(b.norm("norm", b.conv("conv", image, 4, /*kernel=*/3)));
    return b.linear("fc", b.global_average_pool(b.norm("late", b.add(x, b.relu(x)))), 10);
  });
  network->eval();
  return network;
}

TEST(ValueRanges, AreThoseOfTheNodesThemselves) {
  torch::manual_seed(3);
  torch::NoGradGuard no_grad;
  const auto network = small_network();
  const std::vector<torch::Tensor> batches = {torch::randn({2, 3, 32, 32}), torch::randn({3, 3, 32, 32})};
  const auto ranges = value_ranges(*network->program(), {0, kConv, kNorm, kRelu}, batches);
  const auto images = torch::cat({batches[0], batches[1]});
  const auto& layer = std::get<op::Conv>(network->program()->nodes()[kConv].operation).layer;
  const auto conv = layer.forward(images);
  const auto norm = conv / std::sqrt(1 + 1e-5);  // as a new batch norm computes
  const auto expect = [&](int64_t node, const torch::Tensor& value) {
    EXPECT_NEAR(ranges.at(node).low, value.min().item<double>(), 1e-5) << node;
    EXPECT_NEAR(ranges.at(node).high, value.max().item<double>(), 1e-5) << node;
  };
  expect(0, images);
  expect(kConv, conv);
  expect(kNorm, norm);
  expect(kRelu, norm.relu());
  EXPECT_THROW(value_ranges(*network->program(), {kConv}, {}), std::invalid_argument);
}

TEST(FoldableNorms, LeaveOutThoseThatNoConvolutionTakes) {
  const auto network = small_network();
  const auto pairs = foldable_norms(*network->program());
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_EQ(pairs[0].norm_path, "norm");
  EXPECT_EQ(pairs[0].layer_path, "conv");
  EXPECT_THROW(conv_norms(*network->program()), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
