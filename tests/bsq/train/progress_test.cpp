#include "bsq/train/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <thread>

namespace bsq::test {
namespace {

TEST(Progress, ClockText) {
  EXPECT_EQ(clock_text(0), "0:00");
  EXPECT_EQ(clock_text(59.99), "0:59");
  EXPECT_EQ(clock_text(123), "2:03");
  EXPECT_EQ(clock_text(3599), "59:59");
  EXPECT_EQ(clock_text(3600), "1:00:00");
  EXPECT_EQ(clock_text(3723), "1:02:03");
  EXPECT_EQ(clock_text(360000), "100:00:00");
  EXPECT_EQ(clock_text(-5), "0:00");
}

TEST(Progress, APlainStreamGetsALineAtTheEnd) {
  std::ostringstream out;
  Progress progress(out, /*is_terminal=*/false);
  progress.begin("epoch 1", /*total=*/10);
  for (int64_t done = 1; done < 10; ++done) {
    progress.update(done, "loss 0.5");
  }
  EXPECT_EQ(out.str(), "") << "no line within the first half minute";
  progress.update(10, "loss 0.4");
  progress.end();
  EXPECT_EQ(out.str(), "epoch 1 10/10 0:00  loss 0.4\n");
}

TEST(Progress, ATerminalGetsABarOverItself) {
  std::ostringstream out;
  Progress progress(out, /*is_terminal=*/true);
  progress.begin("epoch 1", /*total=*/4);
  progress.update(1, "too soon");
  EXPECT_EQ(out.str(), "");
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  progress.update(2, "half");
  const std::string half = "\r\033[Kepoch 1 [############............] 2/4 0:00, ETA 0:00  half";
  EXPECT_EQ(out.str(), half);
  progress.update(3, "too soon again");
  EXPECT_EQ(out.str(), half);
  progress.update(4, "whole");
  progress.end();
  progress.end();
  EXPECT_EQ(out.str(), half + "\r\033[Kepoch 1 [########################] 4/4 0:00, ETA 0:00  whole\n")
      << "the line ends once";
}

TEST(Progress, AnEmptyOrOverfullEpochDoesNoHarm) {
  std::ostringstream out;
  Progress progress(out, /*is_terminal=*/true);
  progress.begin("nothing", /*total=*/0);
  progress.update(0, "");
  progress.update(1, "done");
  EXPECT_NO_THROW(progress.update(2, "more than all"));
  progress.end();
  EXPECT_NE(out.str().find("[########################]"), std::string::npos);
}

TEST(Progress, EachEpochHasItsOwnLine) {
  std::ostringstream out;
  Progress progress(out, /*is_terminal=*/false);
  for (const char* title : {"epoch 1", "epoch 2"}) {
    progress.begin(title, /*total=*/1, /*first=*/0);
    progress.update(1, "x");
    progress.end();
  }
  EXPECT_EQ(out.str(), "epoch 1 1/1 0:00  x\nepoch 2 1/1 0:00  x\n");
}

}  // namespace
}  // namespace bsq::test
