#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// What a program is started with: descriptors, memory, terminals.
TEST(Surroundings, ClosedDescriptorsAreNoneOfTheRunsFiles) {
  TemporaryFolder folder;
  const auto out = folder.file("run");
  const auto command =
      "'" + program("bsq_train") + "' --float --depth 8 --epochs 1 --schedule 1 --out " + out + tiny_flags();
  for (const char* closed : {"<&-", ">&-", "2>&-", "<&- >&- 2>&-"}) {
    std::filesystem::remove_all(out);
    const auto result = run_command("sh -c \"" + command + " " + closed + "\"");
    EXPECT_EQ(result.status, 0) << closed << " " << result.err;
    EXPECT_EQ(described(out + "/checkpoint.h5")["resumable"], true) << closed;
    EXPECT_EQ(read_log(out + "/log.txt").size(), 2U) << closed;
  }
}

// So large a batch that its own tensors are what there is no memory for: where little is left, oneDNN and
// OpenBLAS fail in ways of their own.
TEST(Surroundings, OutOfMemoryNamesTheBatchSizeAndKeepsTheCheckpoint) {
  TemporaryFolder folder;
  const auto out = folder.file("run");
  run_tiny("bsq_train", "--float --depth 8 --epochs 1 --schedule 1 --out " + out);
  const auto before = read_bytes(out + "/checkpoint.h5");
  const auto result = run_command(
      "prlimit --data=800000000 '" + program("bsq_train") +
      "' --dataset synthetic --float --depth 56 --batch-size 5000 --epochs 2 --schedule 1 --threads 1 "
      "--workers 0 --overwrite --out " +
      out);
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_TRUE(
      holds(result.err, "bsq_train: out of memory; batches have 5000 (training) and 100 (test) images"))
      << result.err;
  EXPECT_EQ(read_bytes(out + "/checkpoint.h5"), before);
}

TEST(Surroundings, ControlCharactersAreShownNotSent) {
  for (const char* tool : {"bsq_train", "convert", "finetune", "describe", "bsq"}) {
    const auto flag = std::string(tool) == "describe" ? ""
                      : std::string(tool) == "bsq"    ? "describe "
                                                      : "--model ";
    const auto result = run_command("'" + program(tool) + "' " + flag + "\"$(printf 'x\\033[31m\\233y')\"");
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_TRUE(holds(result.err, "x\\x1b[31m\\x9by")) << result.err;
    EXPECT_EQ(result.err.find('\x1b'), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace bsq::test
