#include "tools/sweep/result.h"

#include <gtest/gtest.h>

#include "tools/sweep/seeds.h"

namespace bsq::cli {
namespace {

Entry entry(const std::string& name, const PointValues& values) {
  Entry entry;
  entry.job.name = name;
  entry.job.values = values;
  entry.job.stages.resize(1);
  return entry;
}

// A search's baselines, which come first, have no alpha; a grid's have none of what --vary names.
TEST(SweepResult, EveryValueStandsUnderItsFlag) {
  auto fixed = entry("fixed-4-seed-7", {{"seed", "7"}});
  fixed.result.bits = {{"conv1.weight", 4}};
  auto point = entry("alpha-2-seed-7", {{"alpha", "2"}, {"seed", "7"}, {"lr", "1,5"}});
  point.result.comp = 8;
  point.result.bits = {{"fc.weight", 0}, {"conv1.weight", 3}};
  EXPECT_EQ(csv_of({fixed, point}),
            "point,seed,alpha,lr,status,comp,comp_stored,top1_bsq_train,top1_finetune,loss,bits conv1.weight,"
            "bits fc.weight\n"
            "fixed-4-seed-7,7,,,waiting,,,,,,4,\n"
            "alpha-2-seed-7,7,2,\"1,5\",waiting,8,,,,,3,0\n");
}

TEST(SweepResult, MeanAndSpreadOverSeeds) {
  const auto done = [](const std::string& name, const PointValues& values, double comp, double top1) {
    auto point = entry(name, values);
    point.job.finished = 1;
    point.result.comp = comp;
    point.result.trained_top1 = top1;
    return point;
  };
  const auto waiting = entry("alpha-1-seed-3", {{"alpha", "1"}, {"seed", "3"}});
  const auto results = seed_results({done("alpha-1-seed-1", {{"alpha", "1"}, {"seed", "1"}}, 8, 90),
                                     done("alpha-1-seed-2", {{"alpha", "1"}, {"seed", "2"}}, 10, 93),
                                     done("alpha-2-seed-1", {{"alpha", "2"}, {"seed", "1"}}, 12, 80),
                                     done("fixed-4-seed-1", {{"alpha", ""}, {"seed", "1"}}, 8, 91),
                                     done("fixed-4-seed-2", {{"alpha", ""}, {"seed", "2"}}, 8, 91), waiting});
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].name, "alpha-1");
  EXPECT_EQ(results[0].points.size(), 2U);
  EXPECT_EQ(results[0].comp.mean, 9);
  EXPECT_NEAR(results[0].comp.deviation, std::sqrt(2.0), 1e-12);
  EXPECT_EQ(results[0].trained_top1.low, 90);
  EXPECT_EQ(results[0].trained_top1.high, 93);
  EXPECT_EQ(results[0].top1.count, 0U);
  EXPECT_EQ(results[1].name, "fixed-4");
  EXPECT_EQ(results[1].comp.deviation, 0);
  EXPECT_NE(seeds_table(results).find(
                "\nalpha-1, 2 seeds: comp 9.00 +- 1.41 (8.00 to 10.00), trained 91.50 +- 2.12"),
            std::string::npos)
      << seeds_table(results);
  EXPECT_EQ(seeds_table({}), "");
}

TEST(SweepResult, WithoutPointsThereIsTheHeader) {
  EXPECT_EQ(csv_of({}), "point,status,comp,comp_stored,top1_bsq_train,top1_finetune,loss\n");
}

}  // namespace
}  // namespace bsq::cli
