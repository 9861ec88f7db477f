#include "tools/sweep/result.h"

#include <gtest/gtest.h>

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

TEST(SweepResult, WithoutPointsThereIsTheHeader) {
  EXPECT_EQ(csv_of({}), "point,status,comp,comp_stored,top1_bsq_train,top1_finetune,loss\n");
}

}  // namespace
}  // namespace bsq::cli
