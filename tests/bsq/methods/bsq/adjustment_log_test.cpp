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

TEST(AdjustmentLog, TensorsMayGetTheirBitsOnTheWay) {
  const std::vector<Adjustment> written = {{0, 1, 1, {}},
                                           {3, 4, 3, {{"a.weight", 8}, {"c.weight", 8}}},
                                           {6, 5, 4, {{"a.weight", 4}, {"b.weight", 4}, {"c.weight", 4}}},
                                           {8, 5, 4, {{"b.weight", 4}}}};
  EXPECT_EQ(adjusted_tensors(written), (std::vector<std::string>{"a.weight", "b.weight", "c.weight"}));
  const auto text = adjustment_log_text(written);
  EXPECT_EQ(
      text,
      "epoch,comp,comp_stored,a.weight,b.weight,c.weight\n0,1,1,,,\n3,4,3,8,,8\n6,5,4,4,4,4\n8,5,4,,4,\n");
  const auto found = parse_adjustment_log(text, "a.csv");
  ASSERT_EQ(found.size(), written.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].bits, written[i].bits);
  }
}

TEST(AdjustmentLog, AnythingElseIsRefused) {
  for (const char* text : {"", "epoch,comp\n", "a,b,c\n", "epoch,comp,comp_stored,x\n1,2,3\n",
                           "epoch,comp,comp_stored,x\n1,2,3,4.5\n", "epoch,comp,comp_stored,x\n1,2,3,-4\n",
                           "epoch,comp,comp_stored,x\n1,,3,4\n", "epoch,comp,comp_stored,x\n1e300,2,3,4\n"}) {
    EXPECT_THROW(parse_adjustment_log(text, "a.csv"), Error) << text;
  }
}

}  // namespace
}  // namespace bsq
