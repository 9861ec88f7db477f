#include "tools/cli/layer_log.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq::cli {
namespace {

using test::TemporaryFolder;

LayerRecord record(double scale) {
  return {"fc.weight", /*bits=*/4, scale, /*mean_integer=*/2.5, /*changed=*/1.5};
}

TrainingState state_at(int64_t epoch) {
  TrainingState state;
  state.next_epoch = epoch;
  return state;
}

TEST(LayerLog, HoldsALineATensorAndEpoch) {
  LayerLog log("nowhere");
  log.add(0, {record(0.5)});
  log.add(1, {record(0.25)});
  EXPECT_EQ(log.text(),
            "epoch,tensor,bits,scale,mean_integer,changed_percent\n0,fc.weight,4,0.5,2.5,1.5\n1,fc.weight,4,"
            "0.25,2.5,1.5\n");
}

TEST(LayerLog, WarnsOnceOfAScaleThatGrowsTenfoldOrTurns) {
  LayerLog grown("nowhere");
  EXPECT_TRUE(grown.add(0, {record(0.5)}).empty());
  EXPECT_TRUE(grown.add(1, {record(4.9)}).empty());
  const auto warnings = grown.add(2, {record(5.1)});
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0],
            "fc.weight: its scale went from 0.5 to 5.1; it has grown tenfold (a lower --lr may help)");
  EXPECT_TRUE(grown.add(3, {record(6)}).empty());
  LayerLog turned("nowhere");
  turned.add(0, {record(0.5)});
  EXPECT_EQ(turned.add(1, {record(-0.5)}).size(), 1U);
}

TEST(LayerLog, GoesBackToAStateByItsFile) {
  TemporaryFolder folder;
  const auto path = folder.file("layers.csv");
  LayerLog first(path);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    first.add(epoch, {record(0.5)});
  }
  test::write_bytes(path, first.text());
  LayerLog log(path);
  log.go_back_to(state_at(2));
  EXPECT_TRUE(log.add(2, {record(0.5)}).empty());
  EXPECT_EQ(log.text(), first.text());
  LayerLog grown(path);
  grown.go_back_to(state_at(2));
  EXPECT_EQ(grown.add(2, {record(5.1)}).size(), 1U) << "the first scale comes from the file";
}

TEST(LayerLog, RefusesAnotherFile) {
  TemporaryFolder folder;
  const auto path = folder.file("layers.csv");
  for (const char* text : {"garbage", "epoch,tensor,bits,scale,mean_integer,changed_percent\nx,y,1,1,1,1\n",
                           "epoch,tensor,bits,scale,mean_integer,changed_percent\n1,y\n"}) {
    test::write_bytes(path, text);
    LayerLog log(path);
    EXPECT_THROW(log.go_back_to(state_at(2)), Error) << text;
  }
}

}  // namespace
}  // namespace bsq::cli
