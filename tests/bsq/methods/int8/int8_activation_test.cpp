#include "bsq/methods/int8/int8_activation.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <stdexcept>

#include "bsq/quant/activation_quantizer.h"

namespace bsq::test {
namespace {

double range_of(const Int8Activation& activation) { return activation.slots()[1].tensor.item<double>(); }
double low_of(const Int8Activation& activation) { return activation.slots()[0].tensor.item<double>(); }

TEST(Int8Activation, TrainingUsesTheBatchAndTracksIt) {
  torch::manual_seed(1);
  Int8Activation activation(/*bits=*/8);
  EXPECT_TRUE(activation.needs_calibration());
  const auto a = torch::randn({4, 3, 5, 5}), b = torch::randn({4, 3, 5, 5}).mul_(3);
  EXPECT_TRUE(torch::equal(activation.forward(a, true), affine_quantize(a, range_of_samples(a), 8)));
  EXPECT_FALSE(activation.needs_calibration());
  const auto first = range_of_samples(a), second = range_of_samples(b);
  EXPECT_FLOAT_EQ(range_of(activation), first.range.item<float>()) << "the first batch sets it";
  EXPECT_TRUE(torch::equal(activation.forward(b, true), affine_quantize(b, second, 8)));
  EXPECT_FLOAT_EQ(range_of(activation), 0.1F * first.range.item<float>() + 0.9F * second.range.item<float>());
  EXPECT_FLOAT_EQ(low_of(activation), 0.1F * first.low.item<float>() + 0.9F * second.low.item<float>());
}

TEST(Int8Activation, EvaluationUsesTheTrackedRangeAndChangesNothing) {
  torch::manual_seed(2);
  Int8Activation activation(/*bits=*/4);
  const auto x = torch::randn({4, 10});
  activation.forward(x, true);
  const auto range = range_of_samples(x);
  const auto y = torch::randn({2, 10}).mul_(5);
  EXPECT_TRUE(torch::equal(activation.forward(y, false), affine_quantize(y, range, 4)));
  EXPECT_FLOAT_EQ(range_of(activation), range.range.item<float>());
}

TEST(Int8Activation, WithoutATrackedRangeEvaluationTakesTheBatchsOwn) {
  torch::manual_seed(3);
  Int8Activation activation(/*bits=*/8);
  const auto x = torch::randn({4, 10});
  EXPECT_TRUE(torch::equal(activation.forward(x, false), affine_quantize(x, range_of_samples(x), 8)));
  EXPECT_TRUE(activation.needs_calibration()) << "evaluation tracks nothing";
}

TEST(Int8Activation, CalibrationAverages) {
  torch::manual_seed(4);
  Int8Activation activation(/*bits=*/8);
  const auto a = torch::randn({4, 10}), b = torch::randn({4, 10}).mul_(3);
  activation.begin_calibration();
  activation.forward(a, false);
  activation.forward(b, false);
  activation.end_calibration();
  EXPECT_NEAR(range_of(activation),
              0.5 * (range_of_samples(a).range.item<double>() + range_of_samples(b).range.item<double>()),
              1e-5);
  activation.begin_calibration();
  EXPECT_THROW(activation.end_calibration(), std::logic_error);
}

TEST(Int8Activation, RefusesOtherBits) {
  EXPECT_THROW(Int8Activation(0), std::invalid_argument);
  EXPECT_THROW(Int8Activation(17), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
