#include "bsq/methods/hysteresis/hysteresis_rule.h"

#include <torch/utils.h>

#include "tests/bsq/methods/hysteresis/slow_hysteresis.h"

namespace bsq::test {
namespace {

// Normal numbers, a few of them exactly 0.
torch::Tensor random_hidden(const Shape& shape) {
  const auto hidden = torch::randn(shape, torch::kFloat64);
  return hidden.masked_fill(torch::rand(shape).lt(0.05), 0);
}

void expect_loop(const torch::Tensor& signs, const torch::Tensor& hidden, const LoopThreshold& threshold) {
  const auto before = values_of<int64_t>(signs);
  const auto values = values_of<double>(hidden);
  const double limit = threshold.value * (threshold.is_relative ? slow_scale(values) : 1);
  follow(signs, hidden, threshold);
  const auto after = values_of<int64_t>(signs);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(after[i] == 1 ? 1 : -1, slow_loop(before[i] == 1 ? 1 : -1, values[i], limit)) << values[i];
  }
}

TEST(HysteresisRule, TheLoopIsThatOfEveryWeightAlone) {
  torch::manual_seed(1);
  for (const auto& shape : weight_shapes()) {
    for (const bool is_relative : {false, true}) {
      for (const double threshold : {0.0, 0.1, 0.7, 5.0}) {
        const auto signs = torch::randint(0, 2, shape, torch::kUInt8);
        expect_loop(signs, random_hidden(shape), {threshold, is_relative});
      }
    }
  }
}

TEST(HysteresisRule, TheLoopRemembersMoreThanOneStep) {
  auto signs = torch::zeros({1}, torch::kUInt8);
  const LoopThreshold threshold{0.5, false};
  const auto after = [&](double hidden) {
    follow(signs, torch::tensor({hidden}, torch::kFloat64), threshold);
    return signs.item<int64_t>();
  };
  EXPECT_EQ(after(0.4), 0) << "inside the band the sign is kept";
  EXPECT_EQ(after(0.45), 0) << "and the step after it";
  EXPECT_EQ(after(0.5), 1) << "the threshold itself flips";
  EXPECT_EQ(after(-0.49), 1);
  EXPECT_EQ(after(-0.5), 0);
}

TEST(HysteresisRule, ZeroNeverFlipsASign) {
  for (const int64_t sign : {0, 1}) {
    auto signs = torch::full({2}, sign, torch::kUInt8);
    follow(signs, torch::zeros({2}), {/*value=*/0, /*is_relative=*/true});
    EXPECT_TRUE(signs.eq(sign).all().item<bool>());
  }
}

TEST(HysteresisRule, SignsBeginAsTheWeightsHaveThem) {
  const auto signs = signs_of(torch::tensor({-1.0, -0.0, 0.0, 2.0}));
  EXPECT_EQ(values_of<int64_t>(signs), (std::vector<int64_t>{0, 1, 1, 1}));
  EXPECT_EQ(signs.scalar_type(), torch::kUInt8);
}

TEST(HysteresisRule, ThePublishedRuleIsThatOfEveryWeightAlone) {
  torch::manual_seed(2);
  for (const auto& shape : weight_shapes()) {
    for (const double threshold : {0.0, 0.1, 0.7, 5.0}) {
      const auto before = random_hidden(shape), after = random_hidden(shape);
      const auto ours = values_of<double>(published_weight(before, after, threshold));
      const auto from = values_of<double>(before), to = values_of<double>(after);
      const double scale = slow_scale(to);
      for (size_t i = 0; i < to.size(); ++i) {
        ASSERT_NEAR(ours[i], slow_published(from[i], to[i], threshold, scale), 1e-12);
      }
    }
  }
}

TEST(HysteresisRule, ThePublishedRuleForgetsAfterOneStep) {
  const auto number = [](double value) { return torch::tensor({value}, torch::kFloat64); };
  EXPECT_NEAR(published_weight(number(-0.1), number(0.01), 0.5).item<double>(), 0.01 * 0.01, 1e-15)
      << "neither sign";
  EXPECT_EQ(published_weight(number(0.01), number(0.02), 0.5).item<double>(), 0.02) << "the new sign";
}

}  // namespace
}  // namespace bsq::test
