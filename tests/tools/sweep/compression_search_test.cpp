#include "tools/sweep/compression_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace bsq::cli {
namespace {

struct Outcome {
  int runs = 0;
  double comp = 0;
  bool has_landed = false;
};

Outcome search(double target, double first, const std::function<double(double)>& comp_of) {
  CompressionSearch search(target, 0.05, first, 20);
  Outcome outcome;
  while (const auto alpha = search.next()) {
    const double comp = comp_of(*alpha);
    search.add(*alpha, std::isnan(comp) ? std::nullopt : std::optional(comp));
    ++outcome.runs;
  }
  outcome.has_landed = search.has_landed();
  outcome.comp = search.best() ? comp_of(*search.best()) : 0;
  return outcome;
}

// comp from 4 to 32, as 8-bit networks have it, about linear between in log alpha.
double usual_curve(double alpha) { return 4 + 28 / (1 + std::pow(3.0 / alpha, 1.1)); }

TEST(CompressionSearch, LandsInFewRunsFromFarAway) {
  for (const double target : {5.0, 8.0, 12.0, 16.0, 24.0}) {
    for (const double first : {0.03, 0.3, 3.0, 30.0}) {
      const auto outcome = search(target, first, usual_curve);
      EXPECT_TRUE(outcome.has_landed) << target << " from " << first;
      EXPECT_LE(outcome.runs, 6) << target << " from " << first;
      EXPECT_NEAR(outcome.comp / target, 1, 0.05);
    }
  }
}

TEST(CompressionSearch, LandsOnCurvesWithStepsAndNoise) {
  std::mt19937 generator(5);
  std::normal_distribution<double> noise(0, 0.03);
  double runs = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const auto outcome = search(12, 0.5, [&](double alpha) {
      // The same alpha gives the same comp, as the same seed does.
      std::mt19937 own(static_cast<unsigned>(alpha * 1e6) + static_cast<unsigned>(trial) * 7919);
      return std::round(usual_curve(alpha) * std::exp(noise(own)) * 5) / 5;
    });
    EXPECT_TRUE(outcome.has_landed);
    runs += outcome.runs;
  }
  EXPECT_LT(runs / 100, 5);
}

TEST(CompressionSearch, TheFirstRunMayBeTheLast) {
  EXPECT_EQ(search(12, 1, [](double) { return 12.3; }).runs, 1);
}

TEST(CompressionSearch, GivesUpOnAStepWithTheTargetInside) {
  const auto outcome = search(12, 1, [](double alpha) { return alpha < 2 ? 8.0 : 20.0; });
  EXPECT_FALSE(outcome.has_landed);
  EXPECT_LT(outcome.runs, 21);
}

// comp stays at 8 up to alpha 500 and falls a little on the way.
TEST(CompressionSearch, APlateauIsLeftByLargerFactors) {
  const auto plateau = [](double alpha) {
    return alpha < 500 ? 8 - 0.01 * std::log10(alpha + 1) : 8 * std::pow(alpha / 500, 0.7);
  };
  for (const double first : {0.01, 1.0, 20.0}) {
    const auto outcome = search(12, first, plateau);
    EXPECT_TRUE(outcome.has_landed) << first;
    EXPECT_LE(outcome.runs, 10) << first << ": what sweep takes unless told otherwise";
  }
  const auto downwards = search(5, 100, [](double alpha) { return alpha > 0.5 ? 12.0 : 4 + 16 * alpha; });
  EXPECT_TRUE(downwards.has_landed);
  EXPECT_LE(downwards.runs, 8);
}

TEST(CompressionSearch, APlateauWithoutEndEndsTheSearch) {
  for (const double target : {12.0, 5.0}) {
    CompressionSearch search(target, 0.05, 1, 20);
    int runs = 0;
    double last = 1;
    while (const auto alpha = search.next()) {
      search.add(*alpha, 8.0);
      last = *alpha;
      ++runs;
    }
    EXPECT_LT(runs, 10) << target;
    EXPECT_EQ(last, target > 8 ? 1e6 : 1e-6) << "the furthest that it looks";
    EXPECT_FALSE(search.has_landed());
    EXPECT_TRUE(search.best().has_value());
  }
}

TEST(CompressionSearch, AFallingStepIsSearchedToo) {
  const auto outcome =
      search(12, 1, [](double alpha) { return alpha < 2 ? 20.0 : 20 - 4 * std::min(4.0, alpha - 2); });
  EXPECT_LT(outcome.runs, 21);
}

TEST(CompressionSearch, AFailedRunBoundsAlphaFromAbove) {
  const auto outcome =
      search(12, 8, [](double alpha) { return alpha > 5 ? std::nan("") : usual_curve(alpha); });
  EXPECT_TRUE(outcome.has_landed);
  EXPECT_LE(outcome.runs, 6);
}

TEST(CompressionSearch, EndsAfterItsRuns) {
  CompressionSearch search(12, 0.05, 1, 2);
  for (int run = 0; run < 2; ++run) {
    const auto alpha = search.next();
    ASSERT_TRUE(alpha.has_value());
    search.add(*alpha, std::nullopt);
  }
  EXPECT_FALSE(search.next().has_value());
  EXPECT_FALSE(search.best().has_value());
}

}  // namespace
}  // namespace bsq::cli
