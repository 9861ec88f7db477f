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
  Progress progress(out);
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
  Progress progress(out, [] { return 80; });
  progress.begin("epoch 1", /*total=*/4);
  progress.update(1, "too soon");
  EXPECT_EQ(out.str(), "");
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  progress.update(2, "half");
  const std::string half = "\r\033[Kepoch 1 [############............] 2/4  half";
  EXPECT_EQ(out.str(), half);
  progress.update(3, "too soon again");
  EXPECT_EQ(out.str(), half);
  progress.update(4, "whole");
  progress.end();
  progress.end();
  EXPECT_EQ(out.str(), half + "\r\033[Kepoch 1 [########################] 4/4  whole\n")
      << "the line ends once";
}

TEST(Progress, NoLineIsLongerThanTheTerminal) {
  const std::string note = "loss 0.4132, train 86.21 %, valid 84.10 %, comp 6.52, ETA 3:12:05";
  for (const int columns : {0, 20, 40, 60, 80, 90, 120, 300}) {
    std::ostringstream out;
    Progress progress(out, [&] { return columns; });
    progress.begin("epoch 7/350", /*total=*/391);
    progress.update(391, note);
    const auto line = out.str().substr(4);
    EXPECT_LT(line.size(), std::max(columns, 20)) << line;
    EXPECT_EQ(line.find("epoch 7/350 "), 0U) << line;
    EXPECT_EQ(line.find("[") != std::string::npos, columns >= 120) << line;
  }
}

TEST(Progress, AnEmptyOrOverfullEpochDoesNoHarm) {
  std::ostringstream out;
  Progress progress(out, [] { return 80; });
  progress.begin("nothing", /*total=*/0);
  progress.update(0, "");
  progress.update(1, "done");
  EXPECT_NO_THROW(progress.update(2, "more than all"));
  progress.end();
  EXPECT_NE(out.str().find("[########################]"), std::string::npos);
}

TEST(Progress, EachEpochHasItsOwnLine) {
  std::ostringstream out;
  Progress progress(out);
  for (const char* title : {"epoch 1", "epoch 2"}) {
    progress.begin(title, /*total=*/1, /*first=*/0);
    progress.update(1, "x");
    progress.end();
  }
  EXPECT_EQ(out.str(), "epoch 1 1/1 0:00  x\nepoch 2 1/1 0:00  x\n");
}

}  // namespace
}  // namespace bsq::test
