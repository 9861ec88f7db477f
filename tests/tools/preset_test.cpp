#include <gtest/gtest.h>

#include <filesystem>

#include "bsq_train/train_options.h"
#include "finetune/finetune_options.h"
#include "tests/tools/bsq_options.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::vector<std::string> presets() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(BSQ_SOURCE "/models/presets")) {
    files.push_back(entry.path().string());
  }
  return files;
}

TEST(Presets, EveryOneIsReadByItsTool) {
  const auto files = presets();
  EXPECT_FALSE(files.empty());
  for (const auto& file : files) {
    SCOPED_TRACE(file);
    const std::vector<const char*> arguments = {"tool", "--config", file.c_str(), "--model", "start.h5"};
    const int count = static_cast<int>(arguments.size());
    if (file.find("finetune") != std::string::npos) {
      const auto options = cli::parse_finetune_options(count, arguments.data());
      EXPECT_TRUE(options.training.needs_bits);
      EXPECT_LT(options.training.learning_rate, 0.1);
    } else {
      const auto options = cli::parse_train_options(count, arguments.data());
      EXPECT_EQ(options.method == "float", file.find("float") != std::string::npos);
      if (options.method == "bsq") {
        EXPECT_TRUE(bsq_options(options).alpha > 0 || bsq_options(options).target_comp);
      }
      EXPECT_TRUE(options.training.rate_schedule == "cosine" ||
                  options.training.schedule.back() < options.training.epochs);
    }
  }
}

TEST(Presets, TheCommandLineWins) {
  const std::string file = BSQ_SOURCE "/models/presets/quickstart-cifar10-float.cfg";
  const std::vector<const char*> arguments = {"tool", "--config",   file.c_str(), "--lr",
                                              "0.5",  "--schedule", "2",          "3"};
  const auto options = cli::parse_train_options(static_cast<int>(arguments.size()), arguments.data());
  EXPECT_EQ(options.training.learning_rate, 0.5);
  EXPECT_EQ(options.training.schedule, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(options.training.epochs, 24);
}

TEST(Presets, OneIsFoundByItsName) {
  for (const char* name : {"quickstart-cifar10-float", "quickstart-cifar10-float.cfg"}) {
    const std::vector<const char*> arguments = {"tool", "--config", name};
    EXPECT_EQ(cli::parse_train_options(3, arguments.data()).training.epochs, 24);
  }
}

cli::TrainOptions read_by_train(const std::string& text) {
  const TemporaryFolder folder;
  write_bytes(folder.file("a.cfg"), text);
  const auto file = folder.file("a.cfg");
  const std::vector<const char*> arguments = {"tool", "--config", file.c_str()};
  return cli::parse_train_options(3, arguments.data());
}

// Files of before the table have published names, and the penalty where L1 says so.
TEST(Presets, OlderFilesAreReadAsTheyWereMeant) {
  EXPECT_EQ(bsq_options(read_by_train("L1 = true\ndecay = 4\nPrun_Int = 3\n")).alpha, 4);
  EXPECT_EQ(bsq_options(read_by_train("L1 = true\n")).alpha, 0.01);
  EXPECT_EQ(bsq_options(read_by_train("L1 = false\ndecay = 0.01\nfloat = false\n")).alpha, 0);
  EXPECT_EQ(read_by_train("schedule = 2\nschedule = 4\n").training.schedule, (std::vector<int64_t>{2, 4}));
}

TEST(Presets, WhatAFileHoldsReadsBackAsTheSame) {
  const auto options = read_by_train("alpha = 0.3\nschedule = 2,4\nkeep-float = fc\ndepth = 8\n");
  EXPECT_EQ(read_by_train(options.output.configuration).output.configuration, options.output.configuration);
}

TEST(Presets, AFileMayHoldWhatHasNoEffectInThisCall) {
  EXPECT_EQ(read_by_train("gpu-id = 1\n").runtime.gpu_id, 1);
}

TEST(Presets, OneRunsOnTinyImages) {
  TemporaryFolder folder;
  run_tiny("bsq_train", "--config " BSQ_SOURCE
                        "/models/presets/quickstart-cifar10-float.cfg --depth 8 --epochs 1 "
                        "--checkpoint " +
                            folder.file("run"));
  EXPECT_EQ(read_log(folder.file("run/log.txt")).size(), 2U);
}

}  // namespace
}  // namespace bsq::test
