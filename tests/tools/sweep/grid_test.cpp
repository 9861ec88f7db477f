#include "tools/sweep/grid.h"

#include <gtest/gtest.h>

#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

using Values = std::vector<std::string>;

TEST(Grid, AListKeepsItsOrderInShortestForm) {
  EXPECT_EQ(parse_numbers("--alpha", "1e-3,0.002,5"), (Values{"0.001", "0.002", "5"}));
  EXPECT_EQ(parse_numbers("--alpha", "0"), (Values{"0"}));
}

TEST(Grid, ARangeHoldsBothEnds) {
  EXPECT_EQ(parse_numbers("--alpha", "1e-3:1e-1:log:3"), (Values{"0.001", "0.01", "0.1"}));
  EXPECT_EQ(parse_numbers("--alpha", "1e-3:2e-2:log:6"),
            (Values{"0.001", "0.001821", "0.003314", "0.006034", "0.01099", "0.02"}));
  EXPECT_EQ(parse_integers("--seed", "1:4:lin:4"), (Values{"1", "2", "3", "4"}));
}

TEST(Grid, WhatIsNoListOfNumbersIsRefused) {
  for (const char* text :
       {"", "a", "1,", "1,,2", "1,1", "1e-3,0.001", "-1", "nan", "inf", "1:2", "1:2:log", "1:2:exp:3",
        "0:1:log:3", "1:2:log:1", "1:2:log:2.5", "1:2:log:9999", "1:1:lin:3"}) {
    EXPECT_THROW(parse_numbers("--alpha", text), UsageError) << text;
  }
  for (const char* text : {"1.5", "1:2:lin:4", "1e30"}) {
    EXPECT_THROW(parse_integers("--seed", text), UsageError) << text;
  }
}

TEST(Grid, AnAxisNamesAFlagAndItsValues) {
  const auto axis = parse_axis("--vary", "precision=fp32,bf16");
  EXPECT_EQ(axis.name, "precision");
  EXPECT_EQ(axis.values, (Values{"fp32", "bf16"}));
  EXPECT_EQ(parse_axis("--vary", "lr=0.1:0.3:lin:3").values, (Values{"0.1", "0.2", "0.3"}));
  for (const char* text : {"lr", "=1", "lr=", "--lr=1", "lr=1,1"}) {
    EXPECT_THROW(parse_axis("--vary", text), UsageError) << text;
  }
}

TEST(Grid, TheLastAxisChangesFastest) {
  const auto points = expand({{"alpha", {"1", "2"}}, {"seed", {"7", "8"}}});
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[1], (PointValues{{"alpha", "1"}, {"seed", "8"}}));
  EXPECT_EQ(points[2], (PointValues{{"alpha", "2"}, {"seed", "7"}}));
}

TEST(Grid, NamesAreFolderNames) {
  EXPECT_EQ(name_of({{"alpha", "0.001"}, {"seed", "1"}}), "alpha-0.001-seed-1");
  EXPECT_EQ(name_of({{"data", "../a b"}}), "data-.._a_b");
}

}  // namespace
}  // namespace bsq::cli
