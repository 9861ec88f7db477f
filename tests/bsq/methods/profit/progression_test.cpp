#include "bsq/methods/profit/progression.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace bsq::test {
namespace {

TEST(Progression, TakesThePublished200Epochs) {
  const auto phases = progression({});
  EXPECT_EQ(phases.back().begin + phases.back().epochs, 200);
  EXPECT_EQ(phases.size(), 1U + 3 * 3 + 2 * 3 + 6);
  EXPECT_EQ(phases.front().kind, PhaseKind::kFloat);
  EXPECT_EQ(phases.front().epochs, 15);
  EXPECT_EQ(phases.front().warmup, 3);
  int64_t next = 0;
  for (const auto& phase : phases) {
    EXPECT_EQ(phase.begin, next);
    EXPECT_EQ(phase.warmup, phase.epochs == 15 ? 3 : 0);
    next += phase.epochs;
  }
}

TEST(Progression, ActivationsFallFirstAndThirdsFreezeLast) {
  const auto phases = progression({});
  for (size_t i = 1; i < phases.size(); ++i) {
    const auto &before = phases[i - 1], &phase = phases[i];
    EXPECT_TRUE(phase.weight_bits == 0 || phase.activation_bits == 4);
    EXPECT_TRUE(before.activation_bits == 0 || phase.activation_bits <= before.activation_bits);
    EXPECT_GE(phase.frozen_thirds, before.frozen_thirds);
    EXPECT_TRUE(phase.frozen_thirds == 0 || phase.is_last_step);
  }
  EXPECT_EQ(phases.back().frozen_thirds, 2);
  EXPECT_EQ(phases.back().kind, PhaseKind::kStabilize);
  EXPECT_EQ(phases[phases.size() - 5].kind, PhaseKind::kSample);
}

TEST(Progression, OneFactorScalesAllPhases) {
  ProgressionOptions options;
  options.scale = 0.01;
  for (const auto& phase : progression(options)) {
    EXPECT_EQ(phase.epochs, 1);
    EXPECT_EQ(phase.warmup, 0);
  }
  options.scale = 2;
  const auto phases = progression(options);
  EXPECT_EQ(phases.back().begin + phases.back().epochs, 400);
}

TEST(Progression, PhasesOfZeroEpochsAreLeftOut) {
  ProgressionOptions options;
  options.float_epochs = options.stabilize_epochs = 0;
  options.activation_steps = {0};
  options.weight_steps = {4};
  const auto phases = progression(options);
  ASSERT_EQ(phases.size(), 4U);
  EXPECT_EQ(phases[0].kind, PhaseKind::kSample);
  EXPECT_EQ(phases[0].activation_bits, 0);
  EXPECT_EQ(phases[3].frozen_thirds, 2);
}

TEST(Progression, StepsHaveToFall) {
  for (const std::vector<int64_t>& steps : {std::vector<int64_t>{}, {4, 5}, {4, 4}}) {
    ProgressionOptions options;
    options.weight_steps = steps;
    EXPECT_THROW(progression(options), std::invalid_argument);
    options = {};
    options.activation_steps = steps;
    EXPECT_THROW(progression(options), std::invalid_argument);
  }
}

TEST(Progression, TheRateRisesThenFallsToAThousandth) {
  EXPECT_DOUBLE_EQ(profit_rate(0, 3, 15), 0.1);
  EXPECT_DOUBLE_EQ(profit_rate(3, 3, 15), 1);
  EXPECT_DOUBLE_EQ(profit_rate(0, 0, 5), 1);
  EXPECT_DOUBLE_EQ(profit_rate(9, 3, 15), 0.001 + 0.999 / 2);
  EXPECT_GT(profit_rate(14, 3, 15), 0.001);
}

}  // namespace
}  // namespace bsq::test
