#include "tools/sweep/process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "tests/support.h"

namespace bsq::cli {
namespace {

int wait_for(Process& process) {
  for (int i = 0; i < 1000; ++i) {
    if (const auto status = process.poll()) {
      return *status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "the process does not end";
  return -1;
}

class ProcessTest : public testing::Test {
 protected:
  std::vector<std::string> shell(const std::string& text) { return {"/bin/sh", "-c", text}; }
  test::TemporaryFolder folder_;
  std::string out_ = folder_.file("out"), err_ = folder_.file("err");
};

TEST_F(ProcessTest, KeepsOutputAndStatus) {
  test::write_bytes(out_, "before\n");
  Process process(shell("echo one; echo two >&2; exit 3"), out_, err_);
  EXPECT_EQ(wait_for(process), 3);
  EXPECT_EQ(test::read_bytes(out_), "before\none\n");
  EXPECT_EQ(test::read_bytes(err_), "two\n");
}

TEST_F(ProcessTest, SignalsReachIt) {
  Process process(shell("sleep 100"), out_, err_);
  EXPECT_FALSE(process.poll().has_value());
  process.send(SIGTERM);
  EXPECT_EQ(wait_for(process), 128 + SIGTERM);
}

TEST_F(ProcessTest, AProgramThatIsNotThereEndsWith127) {
  Process process({folder_.file("none")}, out_, err_);
  EXPECT_EQ(wait_for(process), 127);
}

}  // namespace
}  // namespace bsq::cli
