#include "bsq/methods/lsq/lsq_activation.h"

#include <torch/utils.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "tests/bsq/methods/lsq/slow_lsq.h"

namespace bsq::test {
namespace {

constexpr bool kTrain = true;
constexpr bool kEvaluate = false;

double step_of(const LsqActivation& activation) { return activation.slots()[0].tensor.item<double>(); }

void set_step(LsqActivation& activation, double step) { activation.slots()[0].tensor.detach().fill_(step); }

// 2 mean(max(x, 0)) / sqrt(2^bits - 1).
double start_for(const torch::Tensor& x, int64_t bits) {
  return 2 * x.clamp_min(0).mean().item<double>() / std::sqrt(static_cast<double>(max_integer(bits)));
}

TEST(LsqActivation, IsThePapersFormulaWithTheFeaturesOfOneImage) {
  torch::manual_seed(1);
  for (int64_t bits = 1; bits <= 8; ++bits) {
    LsqActivation activation(bits);
    activation.slots()[0].tensor.set_data(torch::tensor(0.3, torch::kFloat64));
    const auto x = torch::randn({4, 3, 5, 5}, torch::kFloat64).set_requires_grad(true);
    const auto gradient = torch::randn_like(x);
    const auto value = activation.forward(x, kTrain);
    value.backward(gradient);
    const SlowTensor slow(x, 0.3, {0, max_integer(bits)}, gradient, /*numel=*/3 * 5 * 5);
    EXPECT_TRUE(torch::equal(value.detach(), slow.value)) << bits;
    EXPECT_TRUE(torch::equal(x.grad(), slow.x_gradient)) << bits;
    EXPECT_NEAR(activation.slots()[0].tensor.grad().item<double>(), slow.step_gradient,
                1e-12 * (1 + std::abs(slow.step_gradient)));
  }
}

TEST(LsqActivation, StartsFromTheFirstTrainingBatch) {
  torch::manual_seed(2);
  LsqActivation activation(4);
  const auto first = torch::randn({8, 3, 4, 4});
  EXPECT_TRUE(activation.needs_calibration());
  activation.forward(first, kTrain);
  EXPECT_FALSE(activation.needs_calibration());
  EXPECT_NEAR(step_of(activation), start_for(first, 4), 1e-7);
  activation.forward(first.mul(3), kTrain);
  EXPECT_NEAR(step_of(activation), start_for(first, 4), 1e-7) << "from there on it is trained";
}

TEST(LsqActivation, EvaluationWithoutAStepTakesTheBatchsOwnAndKeepsNothing) {
  torch::manual_seed(3);
  LsqActivation activation(3);
  const auto x = torch::randn({8, 3, 4, 4});
  const auto value = activation.forward(x, kEvaluate);
  EXPECT_TRUE(activation.needs_calibration());
  set_step(activation, start_for(x, 3));
  EXPECT_TRUE(torch::allclose(activation.forward(x, kEvaluate), value));
}

TEST(LsqActivation, CalibrationTakesTheMeanOfTheBatches) {
  torch::manual_seed(4);
  LsqActivation activation(4);
  double sum = 0;
  activation.begin_calibration();
  for (int batch = 0; batch < 3; ++batch) {
    const auto x = torch::randn({4, 3, 4, 4}).mul(batch + 1);
    activation.forward(x, kEvaluate);
    sum += start_for(x, 4);
  }
  activation.end_calibration();
  EXPECT_NEAR(step_of(activation), sum / 3, 1e-6);
  LsqActivation fresh(/*bits=*/4);
  fresh.begin_calibration();
  EXPECT_THROW(fresh.end_calibration(), std::logic_error);
}

TEST(LsqActivation, AStepThatIsNoPositiveNumberCountsAsNone) {
  LsqActivation activation(4);
  for (const double step : {0.0, -1.0, std::nan("")}) {
    set_step(activation, step);
    EXPECT_TRUE(activation.needs_calibration()) << step;
  }
}

TEST(LsqActivation, RefusesOtherBits) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { LsqActivation(0); }),
            "lsq activation: 0 bits; expected 1 to 16");
  EXPECT_THROW(LsqActivation(17), std::invalid_argument);
}

TEST(LsqActivation, SaysWhatItIs) {
  std::ostringstream text;
  LsqActivation(5).print(text);
  EXPECT_EQ(text.str(), "bits=5, LSQ");
}

TEST(LsqActivation, EstimatingStatisticsAnewLeavesATrainedStep) {
  torch::manual_seed(6);
  LsqActivation activation(/*bits=*/4);
  activation.forward(torch::rand({2, 3, 4, 4}), /*is_training=*/true);
  const double trained = activation.slots()[0].tensor.item<double>();
  activation.begin_calibration();
  activation.forward(torch::rand({2, 3, 4, 4}).mul(10), /*is_training=*/true);
  activation.end_calibration();
  EXPECT_EQ(activation.slots()[0].tensor.item<double>(), trained);
}

}  // namespace
}  // namespace bsq::test
