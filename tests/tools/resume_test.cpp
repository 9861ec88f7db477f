#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// Four epochs at once, and two that go on for two more; planes are lost in between.
void expect_goes_on(const std::string& tool, const std::string& flags,
                    const std::vector<std::string>& files) {
  TemporaryFolder folder;
  const auto whole = run_tiny(tool, flags + " --epochs 4 --checkpoint " + folder.file("whole"));
  run_tiny(tool, flags + " --epochs 2 --checkpoint " + folder.file("parts"));
  const auto rest = run_tiny(tool, "--resume --epochs 4 --checkpoint " + folder.file("parts"));
  EXPECT_NE(rest.find("resumed at epoch 2, step 0\n"), std::string::npos) << rest;
  EXPECT_EQ(correct_count(rest, "final:"), correct_count(whole, "final:"));
  for (const auto& file : files) {
    SCOPED_TRACE(file);
    expect_same_checkpoint(folder.file("whole/" + file), folder.file("parts/" + file));
  }
  EXPECT_EQ(read_log_without_clock(folder.file("whole/log.txt")),
            read_log_without_clock(folder.file("parts/log.txt")));
  if (flags.find("--float") == std::string::npos) {
    const auto layers = read_bytes(folder.file("whole/layers.csv"));
    EXPECT_EQ(layers.find("epoch,tensor,bits,scale,mean_integer,changed_percent\n0,"), 0U) << layers;
    EXPECT_EQ(layers, read_bytes(folder.file("parts/layers.csv")));
  }
  if (flags.find("--Prun_Int") != std::string::npos) {
    EXPECT_EQ(read_bytes(folder.file("whole/adjustments.csv")),
              read_bytes(folder.file("parts/adjustments.csv")));
  }
}

std::string bit_flags() {
  return "--bin --L1 --step-rule published --decay 4 --Prun_Int 2 --lr 0.05 --schedule 3 --model " +
         tiny_runs().eight_bits().file("model_best.h5");
}

TEST(Resume, MoreEpochsOfBitsAreBitForBitThoseOfOneRun) {
  expect_goes_on("bsq_train", bit_flags(), {"checkpoint.h5", "model_best.h5"});
}

TEST(Resume, MoreEpochsOfFullPrecisionAreBitForBitThoseOfOneRun) {
  expect_goes_on(
      "bsq_train",
      "--float --depth 8 --lr 0.05 --schedule 3 --crop-padding 2 --cutout 8 --mixup 0.4 --cutmix 1",
      {"checkpoint.h5", "model_best.h5"});
}

TEST(Resume, MoreEpochsOfFinetuningAreBitForBitThoseOfOneRun) {
  expect_goes_on("finetune",
                 "--bin --lr 0.01 --schedule 3 --model " + tiny_runs().bsq().file("checkpoint.h5"),
                 {"checkpoint.h5", "model_best.h5", "best_bin.h5", "best_float.h5"});
}

TEST(Resume, InBfloat16TooMoreEpochsAreBitForBitThoseOfOneRun) {
  expect_goes_on("bsq_train", bit_flags() + " --precision bf16", {"checkpoint.h5", "model_best.h5"});
  expect_goes_on("bsq_train", "--float --depth 8 --lr 0.05 --schedule 3 --precision bf16", {"checkpoint.h5"});
  expect_goes_on(
      "finetune",
      "--bin --lr 0.01 --schedule 3 --precision bf16 --model " + tiny_runs().bsq().file("checkpoint.h5"),
      {"checkpoint.h5", "best_bin.h5", "best_float.h5"});
}

// Eight steps each: the cosine of one epoch is at its end where that of two is in the middle.
TEST(Resume, ARateThatRisesInALongerRunIsSaid) {
  TemporaryFolder folder;
  run_tiny("bsq_train", "--float --depth 8 --epochs 1 --lr 0.05 --out " + folder.file("run"));
  const std::string words =
      "--epochs 1 until now, 2 from here on: the learning rate rises again, from 0.0019 at the last step to "
      "0.025 at the next one\n";
  const auto longer = "--resume --epochs 2 --out " + folder.file("run") + tiny_flags();
  const auto risen = run_tool("bsq_train", longer);
  EXPECT_EQ(risen.status, 0) << risen.err;
  EXPECT_TRUE(holds(risen.err, words)) << risen.err;
  EXPECT_FALSE(holds(run_tool("bsq_train", longer).err, "rises again")) << "the length is the same";
}

// Starts a run of many small steps and, a moment after its first epoch, sends a signal. Gives the exit
// status.
CommandResult run_until_signal(const std::string& tool, const std::string& arguments,
                               const std::string& folder, const std::string& signal) {
  return run_command("'" + program(tool) + "' " + arguments + " --checkpoint " + folder +
                     " & pid=$!; for i in $(seq 3000); do [ -e " + folder +
                     "/checkpoint.h5 ] && break; sleep 0.02; done; sleep 0.1; kill -" + signal +
                     " $pid; wait $pid");
}

// Interrupts in mid-epoch: a moment that falls between two epochs is tried again.
void interrupt(const std::string& tool, const std::string& arguments, const std::string& folder,
               const std::string& signal, int status) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::filesystem::remove_all(folder);
    const auto result = run_until_signal(tool, arguments, folder, signal);
    if (result.status == 0) {
      continue;
    }
    ASSERT_EQ(result.status, status) << result.err;
    EXPECT_NE(result.err.find("state saved in " + folder + "/checkpoint.h5"), std::string::npos)
        << result.err;
    const auto file = read_checkpoint(folder + "/checkpoint.h5");
    ASSERT_TRUE(file.training.has_value());
    if (file.training->next_step > 0) {
      return;
    }
  }
  FAIL() << "no signal fell into the middle of an epoch";
}

void expect_survives(const std::string& tool, const std::string& flags, const std::string& signal,
                     int status) {
  TemporaryFolder folder;
  const auto arguments =
      flags + " --epochs 3 --threads 1 --workers 1 --train-batch 5 --test-batch 50 --data " + tiny_data();
  const auto whole = run_tool(tool, arguments + " --checkpoint " + folder.file("whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  interrupt(tool, arguments, folder.file("parts"), signal, status);
  ASSERT_FALSE(testing::Test::HasFatalFailure());
  const auto rest = run_tool(tool, "--resume --threads 1 --checkpoint " + folder.file("parts"));
  ASSERT_EQ(rest.status, 0) << rest.err;
  expect_same_checkpoint(folder.file("whole/checkpoint.h5"), folder.file("parts/checkpoint.h5"));
  EXPECT_EQ(read_log_without_clock(folder.file("whole/log.txt")),
            read_log_without_clock(folder.file("parts/log.txt")));
}

TEST(Resume, SigtermInMidEpochLeavesNoTrace) {
  expect_survives("bsq_train",
                  "--bin --L1 --decay 1 --Prun_Int 1 --target-comp 6 --lr 0.02 --model " +
                      tiny_runs().eight_bits().file("model_best.h5"),
                  "TERM", 143);
}

TEST(Resume, CtrlCInMidEpochOfFinetuningLeavesNoTrace) {
  expect_survives("finetune", "--bin --lr 0.01 --model " + tiny_runs().bsq().file("checkpoint.h5"), "INT",
                  130);
}

TEST(Resume, SigtermInMidEpochOfEightBitTrainingLeavesNoTrace) {
  expect_survives("bsq_train", "--method int8 --depth 8 --lr 0.02", "TERM", 143);
}

// A copy of the run's folder, so that a test can do what it likes with it.
std::string copied(const ToolRun& run, const TemporaryFolder& folder) {
  std::filesystem::copy(run.folder, folder.file("run"), std::filesystem::copy_options::recursive);
  return folder.file("run");
}

TEST(Resume, AFlagThatContradictsTheRunIsRefused) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto before = folder_bytes(run);
  for (const std::string flag : {"--lr 0.3", "--decay 1", "--depth 20", "--float", "--act 8",
                                 "--manualSeed 5", "--dataset cifar100", "--schedule 1 2"}) {
    const auto result = run_tool("bsq_train", "--resume --checkpoint " + run + " " + flag);
    EXPECT_EQ(result.status, 2) << flag;
    EXPECT_EQ(result.err.find("bsq_train: --resume: "), 0U) << result.err;
    EXPECT_TRUE(holds(result.err, " contradicts ")) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }
  EXPECT_EQ(folder_bytes(run), before);
}

TEST(Resume, EveryDifferenceIsShownAtOnce) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto result = run_tool("bsq_train", "--resume --lr 0.3 --decay 1 --wd 1e-4 --checkpoint " + run);
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err,
            "bsq_train: --resume: lr = 0.3 contradicts lr = 0.05; alpha = 1 contradicts alpha = 4 of " + run +
                "/checkpoint.h5 (--override-resume NAME,... takes the new value) (see bsq_train --help)\n");
}

TEST(Resume, AFlagIsOverriddenByItsName) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  run_tiny("bsq_train",
           "--resume --epochs 4 --lr 0.3 --decay 1 --override-resume lr,decay --checkpoint " + run);
  EXPECT_EQ(read_log(run + "/log.txt").back().front(), "0.300000");
  const auto configuration = read_checkpoint(run + "/checkpoint.h5").configuration;
  EXPECT_NE(configuration.find("lr = 0.3\n"), std::string::npos) << configuration;
  EXPECT_NE(configuration.find("alpha = 1\n"), std::string::npos) << configuration;
}

TEST(Resume, WhatCannotBeOverriddenIsRefused) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto before = folder_bytes(run);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--resume --lr 0.3 --override-resume decay", "--override-resume decay: expected --decay with"},
      {"--resume --lr 0.3 --decay 1 --override-resume lr", "alpha = 1 contradicts"},
      {"--resume --depth 20 --override-resume depth", "--override-resume depth: the checkpoint's tensors"},
      {"--resume --override-resume nonsense", "--override-resume nonsense: expected"},
      {"--lr 0.3 --override-resume lr", "--override-resume: expected --resume too"}};
  for (const auto& [flags, words] : cases) {
    const auto result = run_tool("bsq_train", flags + " --checkpoint " + run);
    EXPECT_EQ(result.status, 2) << flags;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  }
  EXPECT_EQ(folder_bytes(run), before);
}

TEST(Resume, FlagsThatRepeatWhatTheRunHadAreFine) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto out = run_tiny("bsq_train",
                            "--resume --arch resnet --depth 8 --act 4 --dataset cifar10 --lr 0.05 --L1 --bin "
                            "--schedule 10 --checkpoint " +
                                run);
  EXPECT_EQ(correct_count(out, "final:"), correct_count(tiny_runs().bsq().out, "final:"));
  expect_same_checkpoint(run + "/checkpoint.h5", tiny_runs().bsq().file("checkpoint.h5"));
}

TEST(Resume, FewerEpochsThanTrainedAreRefused) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto before = folder_bytes(run);
  const auto trained = std::to_string(read_checkpoint(run + "/checkpoint.h5").training->next_epoch);
  const auto fewer = run_tool("bsq_train", "--resume --epochs 1 --checkpoint " + run);
  EXPECT_EQ(fewer.status, 2);
  EXPECT_EQ(fewer.err, "bsq_train: --epochs 1: " + run + "/checkpoint.h5 has " + trained +
                           " behind it; expected as many or more (see bsq_train --help)\n");
  EXPECT_EQ(folder_bytes(run), before);
}

TEST(Resume, TheFolderAtHandCountsNotTheOneThatTheRunBeganIn) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("checkpoints"));
  std::filesystem::copy(tiny_runs().bsq().folder, folder.file("checkpoints/bsq"),
                        std::filesystem::copy_options::recursive);
  const auto before = folder_bytes(tiny_runs().bsq().folder);
  const auto result = run_command("cd '" + folder.path().string() + "' && '" + program("bsq_train") +
                                  "' --resume" + " --threads 1");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(folder_bytes(tiny_runs().bsq().folder), before);
  EXPECT_TRUE(holds(read_bytes(folder.file("checkpoints/bsq/config.cfg")), "out = checkpoints/bsq\n"));
}

// The configuration of a run of before the option table, as its checkpoint holds it.
TEST(Resume, ARunWithPublishedNamesGoesOn) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  auto file = read_checkpoint(run + "/checkpoint.h5");
  file.configuration =
      "L1 = true\nNbits = 4\nPrun_Int = 1\nact = 4\nbin = true\ncheckpoint = elsewhere\n"
      "checkpoint-steps = 0\ndata = " +
      tiny_data() +
      "\ndecay = 4\ndevice = cpu\nepochs = 3\nevaluate = false\nfloat = false\ngamma = 0.1\ngpu-id = 0\n"
      "keep-float = \nlayer-bits = \nlr = 0.05\nmanualSeed = 1234\nmax-bits = 8\nmodel = start.h5\n"
      "momentum = 0.9\non-nan = stop\nprecision = fp32\nquantize-shortcut = false\nschedule = 10\n"
      "start-epoch = 0\ntensorboard = false\ntest-batch = 50\nthre = 0\nthreads = 1\ntrain-batch = 25\n"
      "val-split = 0\nwarmup = 0\nwd = 0.0001\nworkers = 1\n";
  write_checkpoint(run + "/checkpoint.h5", file);
  run_tiny("bsq_train", "--resume --L1 --Nbits 4 --epochs 4 --checkpoint " + run);
  const auto straight = folder.file("straight");
  std::filesystem::copy(tiny_runs().bsq().folder, straight, std::filesystem::copy_options::recursive);
  run_tiny("bsq_train", "--resume --epochs 4 --out " + straight);
  expect_same_checkpoint(run + "/checkpoint.h5", straight + "/checkpoint.h5");
  const auto configuration = read_checkpoint(run + "/checkpoint.h5").configuration;
  EXPECT_TRUE(holds(configuration, "alpha = 4\n")) << configuration;
  EXPECT_FALSE(holds(configuration, "decay")) << configuration;
}

TEST(Resume, TheOtherProgramsRunIsRefused) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  const auto result = run_tool("finetune", "--resume --checkpoint " + run);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "finetune: " + run + "/checkpoint.h5: a run of the method bsq; expected one of frozen\n");
  const auto other = run_tool("bsq_train", "--resume --checkpoint " + tiny_runs().finetuned().folder);
  EXPECT_TRUE(holds(other.err, "a run of the method frozen; expected one of bsq")) << other.err;
}

TEST(Resume, ADamagedRecordOfAdjustmentsIsBegunAnew) {
  TemporaryFolder folder;
  const auto run = copied(tiny_runs().bsq(), folder);
  write_bytes(run + "/adjustments.csv", "garbage");
  const auto result = run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, "; the record of adjustments begins anew\n")) << result.err;
  EXPECT_EQ(read_bytes(run + "/adjustments.csv").find("epoch,comp"), 0U);
}

TEST(Resume, WhatAConfigurationCannotHoldIsRefusedFirst) {
  TemporaryFolder folder;
  for (const std::string name : {"a#b", " a", "a "}) {
    const auto result =
        run_tool("bsq_train", "--float --data '" + name + "' --checkpoint " + folder.file("run"));
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.err.find("bsq_train: --data '" + name + "': expected a text without '#'"), 0U)
        << result.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("run")));
}

TEST(Resume, AFileWithoutTrainingStateIsRefused) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("run"));
  std::filesystem::copy_file(tiny_runs().eight_bits().file("model_best.h5"),
                             folder.file("run/checkpoint.h5"));
  const auto before = folder_bytes(folder.file("run"));
  const auto result = run_tool("bsq_train", "--resume --checkpoint " + folder.file("run"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("holds no training state"), std::string::npos) << result.err;
  EXPECT_EQ(folder_bytes(folder.file("run")), before);
}

}  // namespace
}  // namespace bsq::test
