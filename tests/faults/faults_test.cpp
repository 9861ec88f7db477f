#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "tests/faults/trace.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// A run of a few steps that saves often: small, yet with all that a run writes.
constexpr const char* kRun =
    "--L1 --decay 4 --Prun_Int 1 --depth 8 --act 0 --bits 4 --epochs 2 --schedule 1 --lr 0.05 --wd 1e-4 "
    "--checkpoint-steps 4 ";

std::string preloaded(const std::string& folder, const std::string& variables, const std::string& arguments) {
  return "LD_PRELOAD='" BSQ_FAULTS_LIBRARY "' BSQ_FAULTS_FOLDER='" + folder + "' " + variables + " '" +
         program("bsq_train") + "' " + arguments;
}

// The run without a fault, once.
const std::string& reference() {
  static const TemporaryFolder folder;
  static const std::string out = [] {
    run_tiny("bsq_train", kRun + ("--out " + folder.file("run")));
    return folder.file("run");
  }();
  return out;
}

void expect_resumes(const std::string& out) {
  const auto result = run_tool("bsq_train", "--resume --out " + out);
  EXPECT_EQ(result.status, 0) << result.err;
  expect_same_checkpoint(out + "/checkpoint.h5", reference() + "/checkpoint.h5");
  expect_same_checkpoint(out + "/final.h5", reference() + "/final.h5");
  EXPECT_EQ(read_log_without_clock(out + "/log.txt"), read_log_without_clock(reference() + "/log.txt"));
}

class Faults : public testing::TestWithParam<const char*> {};

// The file system fails once, at many places of the run. Either the run goes on and says so, or it ends with
// one line; what it has saved goes on as if nothing had been.
TEST_P(Faults, OneFailedCallLosesNothing) {
  size_t faults = 0;
  for (const int number : {1, 5, 20}) {
    TemporaryFolder folder;
    const auto out = folder.file("run");
    auto call = std::string(GetParam());
    call.insert(call.find(':') + 1, std::to_string(number) + ":");
    const auto result = run_command(
        preloaded(folder.path().string(), "BSQ_FAULTS_CALL=" + call, kRun + ("--out " + out) + tiny_flags()));
    SCOPED_TRACE(call + ", exit " + std::to_string(result.status) + ": " + result.err);
    EXPECT_TRUE(result.status == 0 || result.status == 1);
    faults += result.err.find(out) == std::string::npos ? 0 : 1;
    if (fs::exists(out + "/checkpoint.h5")) {
      expect_resumes(out);
    } else {
      EXPECT_EQ(result.status, 1) << "nothing was saved";
    }
  }
  // A short write is written on, a file system may lack links, and closing what was only read may fail.
  const std::set<std::string> harmless = {"write:SHORT", "link:EIO", "close:EIO"};
  const bool is_harmless = harmless.count(GetParam()) != 0;
  EXPECT_TRUE(faults >= 2 || is_harmless) << faults << " of the faults were met";
}

INSTANTIATE_TEST_SUITE_P(Calls, Faults,
                         testing::Values("write:ENOSPC", "write:SHORT", "fsync:EIO", "rename:EIO", "link:EIO",
                                         "open:EMFILE", "close:EIO"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name[name.find(':')] = '_';
                           return name;
                         });

// Every crash within the trace of a run: data that was not synced is gone, names that were not synced come
// through in part.
TEST(PowerLoss, EveryStateOfTheDiskGoesOnBitForBit) {
  TemporaryFolder folder;
  const auto out = folder.file("run");
  const auto trace = folder.file("trace");
  const auto result =
      run_command(preloaded(out, "BSQ_FAULTS_TRACE='" + trace + "'", kRun + ("--out " + out) + tiny_flags()));
  ASSERT_EQ(result.status, 0) << result.err;
  // Two states in which --resume finds the same are tried once.
  std::set<std::vector<std::string>> tried;
  const auto what_counts = [&](const std::map<std::string, std::string>& files) {
    std::vector<std::string> contents;
    for (const char* name : {"/checkpoint.h5", "/checkpoint.prev.h5", "/model_best.h5", "/adjustments.csv"}) {
      const auto found = files.find(out + name);
      contents.push_back(found == files.end() ? "" : found->second);
    }
    return contents;
  };
  size_t states = 0;
  bool was_saved = false;
  Disk disk;
  for (const auto& call : read_trace(trace)) {
    disk.apply(call);
    for (size_t kept = 0; kept <= disk.pending(); ++kept) {
      ++states;
      const auto files = disk.after_power_loss(kept);
      const bool is_saved = files.count(out + "/checkpoint.h5") != 0;
      EXPECT_TRUE(is_saved || !was_saved) << "a saved state is gone";
      if (!is_saved || !tried.insert(what_counts(files)).second) {
        continue;
      }
      fs::remove_all(out);
      fs::create_directory(out);
      for (const auto& [path, bytes] : files) {
        write_bytes(path, bytes);
      }
      expect_resumes(out);
      if (HasFailure()) {
        FAIL() << "after " << call.name << " " << call.path << ", " << kept << " of " << disk.pending()
               << " changes of names";
      }
    }
    was_saved = was_saved || disk.after_power_loss(0).count(out + "/checkpoint.h5") != 0;
  }
  EXPECT_GE(states, 100U);
  EXPECT_GE(tried.size(), 10U);
  std::cout << states << " states of the disk, " << tried.size() << " of them different for --resume\n";
}

}  // namespace
}  // namespace bsq::test
