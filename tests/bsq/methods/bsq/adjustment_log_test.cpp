#include "bsq/methods/bsq/adjustment_log.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"

namespace bsq {
namespace {

TEST(AdjustmentLog, IsReadBack) {
  const std::vector<Adjustment> written = {{0, 4, 3.5, {{"conv1.weight", 8}, {"fc.bias", 7}}},
                                           {6, 6.5, 5.25, {{"conv1.weight", 5}, {"fc.bias", 7}}}};
  const auto text = adjustment_log_text(written);
  EXPECT_EQ(text, "epoch,comp,comp_stored,conv1.weight,fc.bias\n0,4,3.5,8,7\n6,6.5,5.25,5,7\n");
  const auto found = parse_adjustment_log(text, "a.csv");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].epoch, 6);
  EXPECT_EQ(found[1].comp, 6.5);
  EXPECT_EQ(found[1].comp_stored, 5.25);
  EXPECT_EQ(found[1].bits, written[1].bits);
}

TEST(AdjustmentLog, AnythingElseIsRefused) {
  for (const char* text : {"", "epoch,comp\n", "a,b,c\n", "epoch,comp,comp_stored,x\n1,2,3\n",
                           "epoch,comp,comp_stored,x\n1,2,3,4.5\n", "epoch,comp,comp_stored,x\n1,2,3,-4\n",
                           "epoch,comp,comp_stored,x\n1,2,3,\n", "epoch,comp,comp_stored,x\n1e300,2,3,4\n"}) {
    EXPECT_THROW(parse_adjustment_log(text, "a.csv"), Error) << text;
  }
}

}  // namespace
}  // namespace bsq
