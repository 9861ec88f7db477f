#include "bsq/methods/profit/duq_activation.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "tests/bsq/methods/profit/slow_duq.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

void set_slots(const DuqActivation& activation, double a, double c) {
  torch::NoGradGuard no_grad;
  activation.slots().at(0).tensor.fill_(a);
  activation.slots().at(1).tensor.fill_(c);
}

// The 95 % point by hand.
double slow_start(const torch::Tensor& x) {
  std::vector<double> positive;
  const auto flat = x.flatten();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (flat[i].item<double>() > 0) {
      positive.push_back(flat[i].item<double>());
    }
  }
  if (positive.empty()) {
    return 1e-3;
  }
  std::sort(positive.begin(), positive.end());
  return std::min(positive[static_cast<size_t>(0.95 * static_cast<double>(positive.size()))], 6.0);
}

void expect_slow_formula(int64_t bits, bool is_signed) {
  SCOPED_TRACE(std::to_string(bits) + (is_signed ? " bits with a sign" : " bits"));
  DuqActivation activation(bits);
  activation.set_input({/*may_be_negative=*/is_signed});
  const auto grid = is_signed ? duq_weight_grid(bits) : duq_activation_grid(bits);
  set_slots(activation, 0.3, -0.2);
  const auto x = torch::randn({3, 4, 5}).set_requires_grad(true);
  const auto y = activation.forward(x, /*is_training=*/true);
  const auto gradient = torch::randn_like(x);
  y.backward(gradient);
  const auto values = x.detach().flatten(), results = y.detach().flatten(), dx = x.grad().flatten();
  const auto incoming = gradient.flatten();
  double da = 0, dc = 0;
  for (int64_t i = 0; i < values.numel(); ++i) {
    const SlowDuq slow(values[i].item<double>(), 0.3, -0.2, grid);
    EXPECT_NEAR(results[i].item<double>(), slow.value, 1e-5);
    EXPECT_NEAR(dx[i].item<double>(), incoming[i].item<double>() * slow.dx, 1e-5);
    da += incoming[i].item<double>() * slow.da;
    dc += incoming[i].item<double>() * slow.dc;
  }
  EXPECT_NEAR(activation.slots().at(0).tensor.grad().item<double>(), da, 1e-4);
  EXPECT_NEAR(activation.slots().at(1).tensor.grad().item<double>(), dc, 1e-4);
}

TEST(DuqActivation, IsTheSlowFormula) {
  torch::manual_seed(1);
  for (const int64_t bits : {1, 2, 4, 5, 8}) {
    expect_slow_formula(bits, /*is_signed=*/false);
  }
}

TEST(DuqActivation, OfInputsOfBothSignsHasTheFormulaOfWeights) {
  torch::manual_seed(1);
  for (const int64_t bits : {2, 4, 5, 8}) {
    expect_slow_formula(bits, /*is_signed=*/true);
  }
  EXPECT_THROW(DuqActivation(1).set_input({/*may_be_negative=*/true}), std::invalid_argument);
  DuqActivation activation(4);
  activation.set_input({/*may_be_negative=*/true});
  EXPECT_THROW(activation.set_bits(1), std::invalid_argument);
}

// The rule is what files, engines and exports compute by.
TEST(DuqActivation, ARuleSaysWhatEvaluationComputes) {
  torch::manual_seed(3);
  for (const bool is_signed : {false, true}) {
    DuqActivation activation(4);
    activation.set_input({is_signed});
    set_slots(activation, 0.3, -0.2);
    const auto rule = activation.rule();
    ASSERT_TRUE(rule.has_value());
    const auto x = 2 * torch::randn({200});
    const auto expected =
        x.clamp(rule->low, rule->high).div(rule->divisor).round().mul(rule->step).add(rule->offset);
    EXPECT_TRUE(torch::allclose(activation.forward(x, /*is_training=*/false), expected));
    EXPECT_EQ(rule->low < 0, is_signed);
  }
}

TEST(DuqActivation, OfInputsOfBothSignsStartsAtThe95PercentPointOfMagnitudes) {
  torch::manual_seed(4);
  for (const int64_t count : {1, 19, 20, 21, 1000}) {
    const auto x = torch::randn({count}, torch::kFloat64);
    EXPECT_DOUBLE_EQ(duq_signed_start(x), std::max(slow_start(x.abs()), 1e-3)) << count;
  }
  EXPECT_EQ(duq_signed_start(torch::full({10}, -9.0)), 9) << "no ReLU6 ends at 6 here";
  EXPECT_EQ(duq_signed_start(torch::zeros({10})), 1e-3);
  DuqActivation activation(4);
  activation.set_input({/*may_be_negative=*/true});
  activation.begin_calibration();
  activation.forward(torch::full({4}, -9.0), /*is_training=*/false);
  activation.end_calibration();
  EXPECT_NEAR(slow_softplus(activation.slots().at(0).tensor.item<double>()), 9, 1e-5);
}

TEST(DuqActivation, StartsAtThe95PercentPoint) {
  torch::manual_seed(2);
  for (const int64_t count : {1, 2, 19, 20, 21, 1000}) {
    const auto x = 3 * torch::randn({count}, torch::kFloat64);
    EXPECT_DOUBLE_EQ(duq_start(x), std::max(slow_start(x), 1e-3)) << count;
  }
  EXPECT_EQ(duq_start(torch::full({10}, 9.0)), 6);
  EXPECT_EQ(duq_start(-torch::ones({10})), 1e-3);
}

TEST(DuqActivation, CalibrationPassesValuesAndTakesTheirMean) {
  DuqActivation activation(4);
  EXPECT_TRUE(activation.needs_calibration());
  activation.begin_calibration();
  const auto x = torch::tensor({-1.0, 1.0, 2.0});
  EXPECT_TRUE(torch::equal(activation.forward(x, /*is_training=*/false), x));
  activation.forward(2 * x, /*is_training=*/false);
  activation.end_calibration();
  EXPECT_FALSE(activation.needs_calibration());
  EXPECT_NEAR(slow_softplus(activation.slots().at(0).tensor.item<double>()), 3, 1e-5);
}

TEST(DuqActivation, AStartedOneIsNotCalibratedAgain) {
  DuqActivation activation(4);
  set_slots(activation, 0.5, 0.25);
  activation.begin_calibration();
  const auto y = activation.forward(torch::full({4}, 5.0), /*is_training=*/true);
  EXPECT_LT(y.max().item<double>(), 1) << "it quantizes all the while";
  activation.end_calibration();
  EXPECT_EQ(activation.slots().at(0).tensor.item<double>(), 0.5);
  EXPECT_EQ(activation.slots().at(1).tensor.item<double>(), 0.25);
}

TEST(DuqActivation, WithoutCalibrationTheFirstTrainingBatchCounts) {
  DuqActivation activation(4);
  activation.forward(torch::full({4}, 2.0), /*is_training=*/false);
  EXPECT_TRUE(activation.needs_calibration()) << "evaluation changes nothing";
  activation.forward(torch::full({4}, 2.0), /*is_training=*/true);
  EXPECT_FALSE(activation.needs_calibration());
  EXPECT_NEAR(slow_softplus(activation.slots().at(1).tensor.item<double>()), 2, 1e-5);
}

TEST(DuqActivation, OffPassesEverything) {
  DuqActivation activation(DuqActivation::kOff);
  const auto x = torch::randn({5});
  EXPECT_TRUE(same_bits(activation.forward(x, /*is_training=*/true), x));
  EXPECT_EQ(activation.bits(), 0);
  EXPECT_FALSE(activation.needs_calibration());
  activation.set_bits(8);
  EXPECT_TRUE(activation.needs_calibration());
  EXPECT_THROW(activation.set_bits(17), std::invalid_argument);
  EXPECT_THROW(DuqActivation(0), std::invalid_argument);
}

TEST(DuqActivation, TwoForwardPassesAddUp) {
  DuqActivation activation(4);
  set_slots(activation, 0.5, 0.25);
  const auto x = torch::randn({8}), y = torch::randn({8});
  const auto a = activation.slots().at(0).tensor;
  (activation.forward(x, true).sum() + activation.forward(y, true).sum()).backward();
  const auto both = a.grad().clone();
  a.mutable_grad() = torch::Tensor();
  activation.forward(torch::cat({x, y}), true).sum().backward();
  EXPECT_TRUE(torch::allclose(a.grad(), both));
}

}  // namespace
}  // namespace bsq::test
