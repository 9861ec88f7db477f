#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "bsq/io/checkpoint/checkpoint_compare.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// Runs that are long enough to do something to them.
std::string long_flags() {
  return "--float --depth 8 --lr 0.05 --schedule 10 --epochs 4 --threads 1 --workers 1 --train-batch 5 "
         "--test-batch 50 --data " +
         tiny_data();
}

// Shell commands with $folder, $pid and these functions: `begin` starts a run into the folder in the
// background, `epoch N` waits for its end of an epoch, `end` waits for its exit status and gives it.
CommandResult run_script(const std::string& folder, const std::string& script, const std::string& before = "",
                         const std::string& flags = long_flags()) {
  return run_command("folder='" + folder + "'\nbegin() { " + before + " '" + program("bsq_train") + "' " +
                     flags +
                     " --checkpoint $folder >$folder.txt & pid=$!; }\n"
                     "epoch() { for i in $(seq 6000); do grep -q \"^epoch $1 \" $folder.txt && break; "
                     "sleep 0.01; done; }\n"
                     "end() { wait $pid; exit $?; }\n" +
                     script);
}

void expect_like_whole_run(const std::string& folder) {
  TemporaryFolder other;
  const auto whole = other.file("run");
  ASSERT_EQ(run_tool("bsq_train", long_flags() + " --checkpoint " + whole).status, 0);
  for (const std::string file : {"/checkpoint.h5", "/model_best.h5"}) {
    EXPECT_EQ(checkpoint_differences(whole + file, folder + file), std::vector<std::string>());
  }
  EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(folder + "/log.txt"));
}

TEST(Saving, TheStateBeforeTheFirstEpochIsThereFromTheStart) {
  TemporaryFolder folder;
  run_tiny("bsq_train", "--float --depth 8 --epochs 1 --checkpoint " + folder.file("run"));
  const auto before = read_checkpoint(folder.file("run/checkpoint.prev.h5"));
  ASSERT_TRUE(before.training.has_value());
  EXPECT_EQ(before.training->next_epoch, 1) << "of the epoch, before the final step";
  EXPECT_EQ(read_checkpoint(folder.file("run/checkpoint.h5")).training->next_epoch, 1);
}

TEST(Saving, ADamagedCheckpointFallsBackToTheOneBefore) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  run_script(run, "begin; epoch 1; kill -KILL $pid; end");
  auto bytes = read_bytes(run + "/checkpoint.h5");
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
  write_bytes(run + "/checkpoint.h5", bytes);
  const auto result = run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, run + "/checkpoint.h5: damaged")) << result.err;
  EXPECT_TRUE(holds(result.err, "going on from the one before, " + run + "/checkpoint.prev.h5"))
      << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, WithoutAnyGoodCheckpointOneLineSaysSo) {
  TemporaryFolder folder;
  fs::create_directories(folder.file("run"));
  write_bytes(folder.file("run/checkpoint.h5"), "x");
  write_bytes(folder.file("run/checkpoint.prev.h5"), "y");
  const auto result = run_tool("bsq_train", "--resume --checkpoint " + folder.file("run"));
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.err, "/checkpoint.h5: not an HDF5 file")) << result.err;
  EXPECT_TRUE(holds(result.err, "/checkpoint.prev.h5: not an HDF5 file")) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1);
}

TEST(Saving, ASecondRunInTheFolderIsRefusedAndADeadOnesLockTakenOver) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(
      run, "begin; first=$pid; epoch 0; kill -STOP $first; '" + program("bsq_train") + "' " + long_flags() +
               " --checkpoint $folder; echo second $?; '" + program("bsq_train") +
               "' --resume --checkpoint $folder; echo third $?; echo $first; kill -KILL $first; wait $first");
  const auto owner = result.out.substr(result.out.rfind("third 1\n") + 8);
  EXPECT_TRUE(holds(result.out, "second 1\nthird 1\n")) << result.out;
  const auto line =
      "bsq_train: " + run + ": in use by another run, process " + owner.substr(0, owner.size() - 1);
  EXPECT_EQ(result.err.find(line), result.err.find("bsq_train: ")) << result.err;
  ASSERT_TRUE(fs::exists(run + "/run.lock"));
  ASSERT_EQ(run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run).status, 0);
  EXPECT_FALSE(fs::exists(run + "/run.lock"));
  expect_like_whole_run(run);
}

TEST(Saving, AFullDiskCostsNothingOnceThereIsRoomAgain) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(run,
                                 "begin; epoch 0; prlimit --pid $pid --fsize=65536:; epoch 2; prlimit --pid "
                                 "$pid --fsize=unlimited:; end");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, "cannot write " + run)) << result.err;
  EXPECT_TRUE(holds(result.err, ": File too large (")) << result.err;
  EXPECT_TRUE(holds(result.err, " bytes needed); ")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, ADiskThatStaysFullEndsTheRunWithOneAndKeepsTheLastCheckpoint) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(run, "begin; epoch 1; prlimit --pid $pid --fsize=65536:; end");
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_GE(read_checkpoint(run + "/checkpoint.h5").training->next_epoch, 1);
  ASSERT_EQ(run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run).status, 0);
  expect_like_whole_run(run);
}

TEST(Saving, ADiskThatIsFullFromTheStartEndsTheRunBeforeItsFirstEpoch) {
  TemporaryFolder folder;
  const auto result = run_script(folder.file("run"), "ulimit -S -f 100; begin; end");
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_TRUE(holds(result.err, "bytes needed)")) << result.err;
  EXPECT_FALSE(holds(read_bytes(folder.file("run.txt")), "epoch 0"));
}

// Root may write everywhere; without this capability it may not.
std::string as_mere_mortal() {
  return getuid() == 0 ? "setpriv --bounding-set=-dac_override,-dac_read_search" : "";
}

TEST(Saving, PermissionThatIsLostAndComesBackCostsNothing) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result =
      run_script(run, "begin; epoch 0; chmod 555 $folder; epoch 2; chmod 755 $folder; end", as_mere_mortal());
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, ": Permission denied (")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, AFolderThatMayOnlyBeReadIsRefusedBeforeTheRun) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(run, "mkdir $folder; chmod 555 $folder; begin; end", as_mere_mortal());
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.find("bsq_train: " + run + ": cannot be written to (Permission denied)"), 0U)
      << result.err;
  EXPECT_TRUE(fs::is_empty(run));
}

TEST(Saving, AFolderThatIsRemovedIsMadeAgain) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result =
      run_script(run, "begin; epoch 1; kill -STOP $pid; rm -rf $folder; kill -CONT $pid; end");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, run + ": was removed, emptied or out of reach")) << result.err;
  EXPECT_TRUE(fs::exists(run + "/config.cfg"));
  expect_like_whole_run(run);
}

TEST(Saving, FewerEpochsThanMeantAreForOverrideResume) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  ASSERT_EQ(run_script(run, "begin; epoch 0; kill -TERM $pid; end").status, 143);
  const std::string shorter = "--resume --epochs 3 --threads 1 --checkpoint " + run;
  const auto refused = run_tool("bsq_train", shorter);
  EXPECT_EQ(refused.status, 2);
  EXPECT_TRUE(holds(refused.err, "--resume: epochs = 3 contradicts epochs = 4 of")) << refused.err;
  EXPECT_EQ(run_tool("bsq_train", shorter + " --override-resume epochs").status, 0);
  EXPECT_EQ(read_checkpoint(run + "/checkpoint.h5").training->next_epoch, 3);
}

TEST(Saving, AFolderThatIsEmptiedIsFilledAgain) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result =
      run_script(run, "begin; epoch 1; kill -STOP $pid; rm -f $folder/*; kill -CONT $pid; end");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(fs::exists(run + "/config.cfg"));
  expect_like_whole_run(run);
}

TEST(Saving, AFolderThatIsOutOfReachForAWhileCostsNothing) {
  TemporaryFolder folder;
  fs::create_directories(folder.file("above"));
  const auto run = folder.file("above/run");
  const auto result = run_command("cd '" + folder.path().string() + "'; " + as_mere_mortal() + " '" +
                                  program("bsq_train") + "' " + long_flags() +
                                  " --checkpoint above/run > out.txt & pid=$!\n"
                                  "epoch() { for i in $(seq 6000); do grep -q \"^epoch $1 \" '" +
                                  folder.file("out.txt") +
                                  "' && break; sleep 0.01; done; }\n"
                                  "cd '" +
                                  folder.path().string() +
                                  "'; epoch 0; chmod 000 above; epoch 2; chmod 755 above; wait $pid");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, "nothing saved at this point, the run goes on")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, EventFilesDoNotEndARunOnAFullDisk) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(run,
                                 "begin; epoch 0; prlimit --pid $pid --fsize=4096:; epoch 2; prlimit --pid "
                                 "$pid --fsize=unlimited:; end",
                                 "", long_flags() + " --tensorboard");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(result.err, "/events.out.tfevents.")) << result.err;
  EXPECT_TRUE(holds(result.err, "tried again after the next epoch")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, AReaderOfTheRecordThatGoesAwayCostsNoEpoch) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_command("bash -c 'set -o pipefail; \"$@\" | head -n 1' - '" + program("bsq_train") +
                                  "' " + long_flags() + " --checkpoint " + run);
  EXPECT_EQ(result.status, 1) << "the record is incomplete";
  EXPECT_TRUE(holds(result.err, "stdout: cannot be written (Broken pipe)\n")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, ARecordThatCannotBeWrittenIsSaidAndCostsNoEpoch) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result =
      run_command("'" + program("bsq_train") + "' " + long_flags() + " --checkpoint " + run + " >/dev/full");
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.err, "stdout: cannot be written")) << result.err;
  expect_like_whole_run(run);
}

TEST(Saving, AClosedTerminalSavesUnlessNohupSaysOtherwise) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  EXPECT_EQ(run_script(run, "begin; epoch 0; kill -HUP $pid; end").status, 129);
  ASSERT_EQ(run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run).status, 0);
  expect_like_whole_run(run);
  EXPECT_EQ(run_script(folder.file("other"), "begin; epoch 0; kill -HUP $pid; end", "nohup").status, 0);
}

TEST(Saving, ATextThatCannotBeWrittenDoesNotKeepTheCheckpointBack) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  fs::create_directories(run + "/log.txt");
  const auto result = run_script(run, "begin; end");
  EXPECT_EQ(result.status, 1) << "log.txt is missing";
  EXPECT_TRUE(holds(result.err, "cannot write " + run + "/log.txt: Is a directory")) << result.err;
  fs::remove(run + "/log.txt");
  ASSERT_EQ(run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run).status, 0);
  EXPECT_EQ(read_checkpoint(run + "/checkpoint.h5").training->next_epoch, 4);
}

TEST(Saving, ConvertSaysWhatAFullDiskKeptItFrom) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  ASSERT_EQ(run_script(run, "begin; end").status, 0);
  const auto result =
      run_command("prlimit --fsize=20000 '" + program("convert") + "' --threads 1 --data " + tiny_data() +
                  " --model " + run + "/model_best.h5 --checkpoint " + folder.file("bits"));
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_TRUE(holds(result.err, ": File too large (")) << result.err;
}

TEST(Saving, ALockIsNoWayToAnotherFile) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  fs::create_directories(run);
  write_bytes(folder.file("precious"), "precious");
  fs::create_symlink("../precious", run + "/run.lock");
  EXPECT_EQ(run_script(run, "begin; end").status, 1);
  EXPECT_EQ(read_bytes(folder.file("precious")), "precious");
}

TEST(Saving, EveryFewStepsInsideAnEpoch) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  run_script(run,
             "begin; for i in $(seq 6000); do grep -q resumable /dev/null; [ -e $folder/checkpoint.prev.h5 ] "
             "&& break; "
             "sleep 0.01; done; kill -KILL $pid; end",
             "", long_flags() + " --checkpoint-steps 3");
  const auto state = read_checkpoint(run + "/checkpoint.h5").training;
  ASSERT_TRUE(state.has_value());
  EXPECT_GT(state->next_epoch + state->next_step, 0);
  EXPECT_EQ(state->next_step % 3, 0);
  ASSERT_EQ(run_tool("bsq_train", "--resume --threads 1 --checkpoint " + run).status, 0);
  expect_like_whole_run(run);
}

TEST(Saving, ASignalBeforeTrainingEndsTheProgramAtOnce) {
  TemporaryFolder folder;
  for (const auto& [signal, status] : {std::pair{"TERM", 143}, {"INT", 130}}) {
    const auto result =
        run_script(folder.file("run"), std::string("begin; sleep 1; kill -") + signal + " $pid; end", "",
                   "--float --depth 8 --dataset synthetic --threads 1");
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_FALSE(fs::exists(folder.file("run/checkpoint.h5")));
  }
}

// A step of this run takes longer than the two signals are apart.
TEST(Saving, ASecondCtrlCEndsTheProgramAtOnceAndHarmsNoFile) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  const auto result = run_script(
      run,
      "begin; for i in $(seq 6000); do [ -e $folder/checkpoint.h5 ] && break; sleep 0.01; done; "
      "kill -INT $pid; sleep 0.5; kill -INT $pid; end",
      "env --default-signal=INT",
      "--float --depth 56 --epochs 2 --threads 1 --workers 1 --train-batch 200 --test-batch 50 --data " +
          tiny_data());
  EXPECT_EQ(result.status, 130) << result.err;
  EXPECT_TRUE(holds(result.err, "stopped at once")) << result.err;
  EXPECT_EQ(read_checkpoint(run + "/checkpoint.h5").training->next_step, 0);
}

TEST(Saving, ShortTorture) {
  TemporaryFolder folder;
  const auto result = run_command("'" + program("torture") + "' --kills 12 --folder " + folder.file("work"));
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_TRUE(holds(result.out, "kills 12, during a save ")) << result.out;
  EXPECT_TRUE(holds(result.out, "failures 0")) << result.out;
}

}  // namespace
}  // namespace bsq::test
