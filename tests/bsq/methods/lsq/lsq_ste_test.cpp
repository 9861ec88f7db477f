#include "bsq/methods/lsq/lsq_ste.h"

#include <torch/utils.h>

#include "bsq/quant/codes.h"
#include "tests/bsq/methods/lsq/slow_lsq.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

LsqGrid weight_grid(int64_t bits) { return {twos_complement(bits).low, twos_complement(bits).high()}; }

std::vector<LsqGrid> grids() {
  std::vector<LsqGrid> grids;
  for (int64_t bits = 2; bits <= 8; ++bits) {
    grids.push_back(weight_grid(bits));
    grids.push_back({0, max_integer(bits)});
  }
  return grids;
}

// Numbers inside the grid and outside, ties, both ends and 0. The step is a power of two: ties stay ties.
constexpr double kStep = 0.25;
torch::Tensor numbers_for(const LsqGrid& grid) {
  const auto low = static_cast<double>(grid.low);
  const auto high = static_cast<double>(grid.high);
  const auto at_points = torch::arange(2 * low - 2, 2 * high + 3, torch::kFloat64).mul(kStep / 2);
  const auto between = torch::rand({64}, torch::kFloat64).mul(1.4 * (high - low)).add(1.2 * low).mul(kStep);
  return torch::cat({at_points, between});
}

TEST(LsqSte, IsThePapersFormulaElementByElement) {
  torch::manual_seed(1);
  for (const auto& grid : grids()) {
    SCOPED_TRACE(std::to_string(grid.low) + ".." + std::to_string(grid.high));
    const auto x = numbers_for(grid).set_requires_grad(true);
    const auto step = torch::tensor(kStep, torch::kFloat64).set_requires_grad(true);
    const auto gradient = torch::randn_like(x);
    const auto value = lsq_ste(x, step, grid, /*numel=*/17);
    value.backward(gradient);
    const SlowTensor slow(x, kStep, grid, gradient, /*numel=*/17);
    EXPECT_TRUE(torch::equal(value.detach(), slow.value));
    EXPECT_TRUE(torch::equal(x.grad(), slow.x_gradient));
    EXPECT_NEAR(step.grad().item<double>(), slow.step_gradient, 1e-12 * (1 + std::abs(slow.step_gradient)));
  }
}

// By hand: 4 bits, step 1, N 7, so that the factor is 1/7.
TEST(LsqSte, GivesTheNumbersOfAnExample) {
  const auto x = torch::tensor({-9.0, -1.5, -0.6, 0.4, 2.5, 7.0, 8.0}).set_requires_grad(true);
  const auto step = torch::tensor(1.0).set_requires_grad(true);
  const auto value = lsq_ste(x, step, weight_grid(4), /*numel=*/7);
  EXPECT_TRUE(torch::equal(value.detach(), torch::tensor({-8.0, -2.0, -1.0, 0.0, 2.0, 7.0, 7.0})));
  value.sum().backward();
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0})));
  EXPECT_NEAR(step.grad().item<double>(), (-8 - 0.5 - 0.4 - 0.4 - 0.5 + 7 + 7) / 7, 1e-6);
}

TEST(LsqSte, ComputesBfloat16InTheStepsType) {
  torch::manual_seed(2);
  const auto x = torch::randn({300}).to(torch::kBFloat16);
  const auto gradient = torch::randn({300}).to(torch::kBFloat16);
  const auto step = torch::tensor(0.1234F);
  const auto grid = weight_grid(6);
  const auto run = [&](const torch::Tensor& input, const torch::Tensor& incoming) {
    const auto leaf = input.clone().set_requires_grad(true);
    const auto own = step.clone().set_requires_grad(true);
    const auto value = lsq_ste(leaf, own, grid, /*numel=*/300);
    value.backward(incoming);
    return std::vector<torch::Tensor>{value.detach(), leaf.grad(), own.grad()};
  };
  const auto half = run(x, gradient);
  const auto whole = run(x.to(torch::kFloat32), gradient.to(torch::kFloat32));
  EXPECT_TRUE(same_bits(half[0], whole[0].to(torch::kBFloat16)));
  EXPECT_TRUE(same_bits(half[1], whole[1].to(torch::kBFloat16)));
  EXPECT_TRUE(torch::allclose(half[2], whole[2]));
}

TEST(LsqSte, KeepsTheLayoutOfImages) {
  const auto x = torch::rand({2, 3, 4, 4}).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto value = lsq_ste(x, torch::tensor(0.5F), {0, 3}, /*numel=*/48);
  EXPECT_TRUE(value.is_contiguous(torch::MemoryFormat::ChannelsLast));
}

TEST(LsqStart, IsThePapers) {
  torch::manual_seed(3);
  const auto x = torch::randn({5, 7}, torch::kFloat64);
  double sum = 0;
  for (const double number : values_of<double>(x)) {
    sum += std::abs(number);
  }
  for (const auto& grid : grids()) {
    EXPECT_NEAR(lsq_start(x, grid), 2 * (sum / 35) / std::sqrt(static_cast<double>(grid.high)), 1e-14);
  }
  EXPECT_EQ(lsq_start(torch::zeros({3}), {0, 3}), kSmallestStep);
}

}  // namespace
}  // namespace bsq::test
