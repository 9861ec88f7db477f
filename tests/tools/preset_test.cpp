#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "bsq_train/train_options.h"
#include "finetune/finetune_options.h"
#include "tests/tools/bsq_options.h"
#include "tests/tools/tool_runs.h"
#include "tools/cli/ini.h"
#include "tools/cli/presets.h"
#include "tools/cli/training_run.h"

namespace bsq::test {
namespace {

std::vector<std::string> presets() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(BSQ_SOURCE "/models/presets")) {
    files.push_back(entry.path().string());
  }
  return files;
}

// The last epoch at which the learning rate drops by a schedule or by phases.
int64_t last_drop(const cli::TrainingFlags& flags) {
  if (!flags.phases.empty()) {
    return training_phase_of(flags.phases.back()).begin;
  }
  return flags.rate_schedule == "cosine" ? 0 : flags.schedule.back();
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
      EXPECT_LT(last_drop(options.training), options.training.epochs);
    }
  }
}

cli::TrainOptions read_preset(const std::string& name) {
  const std::vector<const char*> arguments = {"tool", "--config", name.c_str(), "--model", "start.h5"};
  return cli::parse_train_options(static_cast<int>(arguments.size()), arguments.data());
}

// What a run's config.cfg says of an option.
std::string kept(const cli::TrainOptions& options, const std::string& name) {
  for (const auto& [known, text] : cli::parse_ini(options.output.configuration, "config.cfg")) {
    if (known == name) {
      return text;
    }
  }
  return "";
}

TEST(Presets, ThePublishedRecipesReachTheRun) {
  for (const char* name : {"resnet20-cifar10-sawb", "resnet18-cifar10-sawb", "vgg7-cifar10-sawb"}) {
    const auto options = read_preset(name);
    EXPECT_EQ(options.trained_by().name(), "sawb");
    EXPECT_EQ(options.training.learning_rate, 0.1);
    EXPECT_EQ(options.training.schedule, (std::vector<int64_t>{60, 120}));
    EXPECT_EQ(options.training.epochs, 200);
    EXPECT_EQ(options.training.weight_decay, 5e-4);
    EXPECT_EQ(kept(options, "a-lambda"), "0.0005");
    EXPECT_EQ(kept(options, "bits") + kept(options, "act"), "44");
  }
  for (const char* name : {"mobilenet_v1-cifar10-profit", "mobilenet_v2-imagenet-profit"}) {
    const auto options = read_preset(name);
    EXPECT_EQ(options.trained_by().name(), "profit");
    EXPECT_EQ(options.training.epochs, 200) << "the sum of its phases";
    EXPECT_EQ(options.training.learning_rate, 0.005);
    EXPECT_EQ(options.training.weight_decay, 4e-5);
    EXPECT_EQ(options.training.label_weight, 1);
    EXPECT_EQ(kept(options, "weight-steps"), "8 5 4");
  }
}

TEST(Presets, RegimesReachTheTrainer) {
  const auto options = read_preset("resnet18-imagenet-int8-batch1024");
  EXPECT_EQ(kept(options, "phases"),
            "0:lr=0.1..0.4:momentum=0.9:wd=1e-4,5:lr=0.4,30:lr=0.04,60:lr=4e-3,80:lr=4e-4");
  const auto trainer = cli::options_of(options.training);
  const auto rate_at = [&](int64_t step) {
    return settings_at(trainer.phases, {}, {step, /*epoch_steps=*/10, trainer.epochs}).learning_rate;
  };
  EXPECT_DOUBLE_EQ(rate_at(25), 0.25);
  EXPECT_EQ(rate_at(300), 0.04);
  EXPECT_EQ(read_preset("resnet18-cifar10-int8-older").training.phases[2], "122:lr=1e-3:wd=0");
}

TEST(Presets, PhasesLeaveNothingToASchedule) {
  for (const auto& more : std::vector<std::vector<const char*>>{
           {"--lr", "0.5"}, {"--wd", "0"}, {"--schedule", "3"}, {"--lr-schedule", "cosine"}}) {
    std::vector<const char*> arguments = {"tool", "--config", "wrn-cifar10-int8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    try {
      cli::parse_train_options(static_cast<int>(arguments.size()), arguments.data());
      ADD_FAILURE() << more[0];
    } catch (const OptionError& error) {
      EXPECT_TRUE(holds(error.what(), std::string(more[0]) + ": no effect with --phases")) << error.what();
    }
  }
}

TEST(Presets, TheHelpNamesThem) {
  for (const auto& file : presets()) {
    const auto name = std::filesystem::path(file).stem().string();
    const char* program = name.find("finetune") != std::string::npos ? "finetune" : "bsq_train";
    const auto entries = cli::presets_in(BSQ_SOURCE "/models/presets", program);
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [&](const cli::PresetEntry& entry) { return entry.name == name; });
    ASSERT_NE(found, entries.end()) << name;
    EXPECT_FALSE(found->sentence.empty()) << name;
  }
  EXPECT_TRUE(cli::presets_in(BSQ_SOURCE "/models/presets", "describe").empty());
  EXPECT_TRUE(cli::presets_in("nowhere", "finetune").empty());
  const std::vector<const char*> arguments = {"tool", "--help"};
  try {
    cli::parse_finetune_options(2, arguments.data());
    ADD_FAILURE() << "no help";
  } catch (const cli::HelpRequest& help) {
    EXPECT_TRUE(holds(help.text, "\nPresets, for --config:\n"));
    EXPECT_TRUE(holds(help.text, "      resnet20-cifar10-finetune"));
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
