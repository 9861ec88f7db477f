#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// Sweeps over tiny images from the 8-bit model of tiny_runs().
class Sweep : public testing::Test {
 protected:
  Sweep() {
    write_bytes(prefix_ + "-bsq.cfg",
                "bin = true\nL1 = true\nepochs = 2\nlr = 0.05\nschedule = 10\n"
                "wd = 1e-4\ndecay = 4\nPrun_Int = 1\n");
    write_bytes(prefix_ + "-finetune.cfg", "bin = true\nepochs = 1\nlr = 0.01\nschedule = 1\n");
    write_bytes(prefix_ + "-float.cfg", "float = true\ndepth = 8\nepochs = 2\nlr = 0.05\nschedule = 10\n");
  }

  std::string base(const std::string& folder) const {
    return " --preset " + prefix_ + " --data " + tiny_data() +
           " --both train-batch=25 test-batch=50 --threads 1 --checkpoint " + folder_.file(folder);
  }
  std::string flags(const std::string& folder) const {
    return base(folder) + " --model " + tiny_runs().eight_bits().file("model_best.h5");
  }
  // Two points whose runs are long enough to be stopped.
  std::string slow_flags(const std::string& folder) const {
    auto text = flags(folder);
    text.replace(text.find("train-batch=25"), 14, "train-batch=5");
    return "--alpha 1,8 --seed 3 --jobs 1" + text;
  }
  nlohmann::json results(const std::string& folder) const {
    return nlohmann::json::parse(read_bytes(folder_.file(folder + "/results.json")));
  }
  std::string csv(const std::string& folder) const {
    return read_bytes(folder_.file(folder + "/results.csv"));
  }

  TemporaryFolder folder_;
  std::string prefix_ = folder_.file("tiny");
};

TEST_F(Sweep, SnapshotsOfARunAreFinetunedAsPointsOfTheirOwn) {
  const std::string command = "--alpha 8 --seed 3 --snapshots --train epochs=4 --jobs 2" + flags("front");
  const auto result = run_tool("sweep", command);
  ASSERT_EQ(result.status, 0) << result.err;
  const auto found = results("front");
  std::map<std::string, nlohmann::json> points;
  for (const auto& point : found["points"]) {
    points[point["name"]] = point;
  }
  ASSERT_EQ(points.size(), 3U) << "adjustments before epochs 1 and 2, where bit widths freeze";
  const auto& first = points.at("alpha-8-seed-3-snapshot-1");
  const auto& second = points.at("alpha-8-seed-3-snapshot-2");
  for (const auto* point : {&first, &second}) {
    EXPECT_EQ((*point)["status"], "done");
    EXPECT_TRUE((*point)["top1_bsq_train"].is_null());
    EXPECT_TRUE((*point)["top1_finetune"].is_number());
    const auto model =
        folder_.file("front/" + (*point)["folder"].get<std::string>() + "/finetune/best_bin.h5");
    EXPECT_NEAR((*point)["comp"], read_checkpoint(model).comp, 1e-9);
  }
  EXPECT_LE(first["comp"], second["comp"]) << "bit widths shrink on the way";
  const auto before = csv("front");
  EXPECT_EQ(run_tool("sweep", command).status, 0);
  EXPECT_EQ(csv("front"), before) << "all is done";
}

TEST_F(Sweep, RunsEveryPointAndRecordsIt) {
  const auto result = run_tool("sweep", "--alpha 1,8 --seed 3 --jobs 2" + flags("grid"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("alpha-1-seed-3  done"), std::string::npos) << result.out;
  const auto points = results("grid")["points"];
  ASSERT_EQ(points.size(), 2U);
  for (const auto& point : points) {
    const auto folder = folder_.file("grid/" + point["folder"].get<std::string>());
    const auto best = read_checkpoint(folder + "/finetune/best_bin.h5");
    EXPECT_EQ(point["status"], "done");
    EXPECT_NEAR(point["comp"], best.comp, 1e-9);
    EXPECT_NEAR(point["comp_stored"], best.comp_stored, 1e-9);
    EXPECT_EQ(point["top1_finetune"], best.top1);
    EXPECT_EQ(point["top1_bsq_train"], read_checkpoint(folder + "/bsq/checkpoint.h5").top1);
    EXPECT_GT(point["seconds"], 0);
    EXPECT_EQ(point["bits"].size(), 9U);
    EXPECT_EQ(point["commands"][0].get<std::string>().find("bsq_train --bin"), 0U) << point["commands"];
  }
  EXPECT_GT(points[1]["comp"], points[0]["comp"]);
  EXPECT_EQ(results("grid")["status"], "done");
  EXPECT_EQ(
      csv("grid").find(
          "point,alpha,seed,status,comp,comp_stored,top1_bsq_train,top1_finetune,loss,bits conv1.weight"),
      0U);
}

TEST_F(Sweep, ACommandOfTheRecordMakesTheSameRun) {
  ASSERT_EQ(run_tool("sweep", "--alpha 8" + flags("one")).status, 0);
  auto command = results("one")["points"][0]["commands"][0].get<std::string>();
  const auto folder = folder_.file("one/alpha-8-seed-1234/bsq");
  command.replace(command.rfind(folder), folder.size(), folder_.file("again"));
  const auto result =
      run_command(fs::path(program("bsq_train")).parent_path().string() + "/" + command + " --threads 1");
  ASSERT_EQ(result.status, 0) << result.err;
  expect_same_checkpoint(folder + "/checkpoint.h5", folder_.file("again/checkpoint.h5"));
}

TEST_F(Sweep, WithoutAModelAFloatNetworkComesFirst) {
  const auto result = run_tool("sweep", "--alpha 2 --fixed-bits 3" + base("full"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto json = results("full");
  EXPECT_EQ(json["float"]["status"], "done");
  ASSERT_EQ(json["points"].size(), 2U);
  EXPECT_EQ(json["points"][1]["name"], "fixed-3-seed-1234");
  EXPECT_NEAR(json["points"][1]["comp"], 32.0 / 3, 0.2);
  EXPECT_EQ(json["float"]["top1"], read_checkpoint(folder_.file("full/float/model_best.h5")).top1);
  EXPECT_TRUE(holds(csv("full"), "\nfixed-3-seed-1234,,1234,done,")) << csv("full");
}

// Starts a sweep and sends a signal to it, and nothing else, once `file` is there.
CommandResult signal_once_there_is(const std::string& signal, const std::string& file,
                                   const std::string& arguments) {
  const auto result =
      run_command("'" + program("sweep") + "' " + arguments + " & pid=$!; for i in $(seq 3000); do [ -e '" +
                  file + "' ] && break; sleep 0.02; done; kill -" + signal + " $pid; wait $pid");
  EXPECT_TRUE(fs::exists(file)) << file;
  return result;
}

TEST_F(Sweep, KilledTwiceItEndsWithTheSameResults) {
  const auto arguments = [&](const std::string& folder) { return slow_flags(folder); };
  ASSERT_EQ(run_tool("sweep", arguments("whole")).status, 0);
  signal_once_there_is("KILL", folder_.file("killed/alpha-1-seed-3/bsq/checkpoint.h5"), arguments("killed"));
  EXPECT_NE(results("killed")["points"][0]["status"], "done");
  EXPECT_EQ(results("killed")["status"], "running");
  signal_once_there_is("KILL", folder_.file("killed/alpha-8-seed-3/bsq/checkpoint.h5"), arguments("killed"));
  EXPECT_EQ(results("killed")["points"][0]["status"], "done");
  EXPECT_NE(results("killed")["points"][1]["status"], "done");
  const auto finished = folder_.file("killed/alpha-1-seed-3/finetune/best_bin.h5");
  const auto time = fs::last_write_time(finished);
  const auto result = run_tool("sweep", arguments("killed"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(fs::last_write_time(finished), time) << "a finished point was run again";
  EXPECT_EQ(csv("killed"), csv("whole"));
  for (const std::string point : {"alpha-1-seed-3", "alpha-8-seed-3"}) {
    expect_same_checkpoint(folder_.file("killed/" + point + "/finetune/best_bin.h5"),
                           folder_.file("whole/" + point + "/finetune/best_bin.h5"));
  }
}

TEST_F(Sweep, StoppedBySignalsItSavesAndEndsWithTheSameResults) {
  ASSERT_EQ(run_tool("sweep", slow_flags("whole")).status, 0);
  const std::vector<std::tuple<std::string, std::string, int>> stops = {{"INT", "alpha-1-seed-3", 130},
                                                                        {"TERM", "alpha-8-seed-3", 143}};
  for (const auto& [signal, point, status] : stops) {
    SCOPED_TRACE(signal);
    const auto state = folder_.file("stopped/" + point + "/bsq/checkpoint.h5");
    const auto stopped = signal_once_there_is(signal, state, slow_flags("stopped"));
    EXPECT_EQ(stopped.status, status) << stopped.err;
    EXPECT_TRUE(holds(stopped.err, "\n" + point + ": stopped, its state is saved\n")) << stopped.err;
    EXPECT_TRUE(holds(stopped.err, "\nstopped by a signal; the same command goes on\n")) << stopped.err;
    EXPECT_EQ(results("stopped")["status"], "stopped");
    EXPECT_EQ(results("stopped")["points"][1]["status"], "waiting");
  }
  const auto result = run_tool("sweep", slow_flags("stopped"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(csv("stopped"), csv("whole"));
}

TEST_F(Sweep, AFailedPointDoesNotStopTheOthersAndIsReported) {
  const std::string grid = "--alpha 2 --vary lr=1e6,0.05 --jobs 1";
  const auto result = run_tool("sweep", grid + flags("fails"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("\nsweep: failed: alpha-2-seed-1234-lr-1e6\n"), std::string::npos) << result.err;
  EXPECT_EQ(results("fails")["status"], "failed");
  const auto points = results("fails")["points"];
  EXPECT_EQ(points[0]["status"], "failed");
  EXPECT_NE(points[0]["error"].get<std::string>().find("the loss is"), std::string::npos) << points[0];
  EXPECT_EQ(points[1]["status"], "done");
}

TEST_F(Sweep, ResultsThatCannotBeWrittenForAMomentEndNothing) {
  const auto file = folder_.file("moment/results.csv");
  fs::create_directories(file + "/in/its/place");
  const auto point = folder_.file("moment/alpha-1-seed-3");
  const auto result = run_command("(for i in $(seq 3000); do [ -e " + point +
                                  "/bsq/checkpoint.h5 ] && break; sleep 0.02; done; rm -r " + file + ") & '" +
                                  program("sweep") + "' --alpha 1 --seed 3" + flags("moment"));
  EXPECT_EQ(result.status, 0) << result.err;
  const auto line = "cannot write " + file;
  EXPECT_EQ(result.err.find(line), result.err.rfind(line)) << result.err;
  EXPECT_EQ(result.err.find(line), 0U) << result.err;
  EXPECT_TRUE(holds(csv("moment"), "\nalpha-1-seed-3,1,3,done,"));

  fs::remove(file);
  fs::create_directories(file + "/in/its/place");
  const auto again = run_tool("sweep", "--alpha 1 --seed 3" + flags("moment"));
  EXPECT_EQ(again.status, 1);
  EXPECT_TRUE(holds(again.err, "\nsweep: " + line)) << again.err;
  EXPECT_EQ(results("moment")["status"], "done");
}

void damage(const std::string& file) {
  auto bytes = read_bytes(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
  write_bytes(file, bytes);
}

TEST_F(Sweep, ADamagedCheckpointCostsAtMostItsPoint) {
  ASSERT_EQ(run_tool("sweep", "--alpha 1,8 --seed 3" + flags("damaged")).status, 0);
  const auto whole = csv("damaged");
  const auto stage = folder_.file("damaged/alpha-1-seed-3/bsq");
  damage(stage + "/checkpoint.h5");
  const auto mended = run_tool("sweep", "--alpha 1,8 --seed 3" + flags("damaged"));
  EXPECT_EQ(mended.status, 0) << mended.err;
  EXPECT_TRUE(holds(mended.err, "alpha-1-seed-3: " + stage + "/checkpoint.h5: damaged")) << mended.err;
  EXPECT_EQ(csv("damaged"), whole);

  damage(stage + "/checkpoint.h5");
  damage(stage + "/checkpoint.prev.h5");
  fs::remove_all(folder_.file("damaged/alpha-8-seed-3/finetune"));
  const auto failed = run_tool("sweep", "--alpha 1,8 --seed 3" + flags("damaged"));
  EXPECT_EQ(failed.status, 1);
  EXPECT_TRUE(holds(failed.err, "\nsweep: failed: alpha-1-seed-3\n")) << failed.err;
  const auto points = results("damaged")["points"];
  EXPECT_TRUE(holds(points[0]["error"], stage + "/checkpoint.h5: damaged")) << points[0];
  EXPECT_EQ(points[1]["status"], "done");
}

TEST_F(Sweep, SearchesACompression) {
  const auto result = run_tool("sweep", "--target-comp 6 --tolerance 8" + flags("search"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto points = results("search")["points"];
  EXPECT_LE(points.size(), 6U);
  const auto done =
      std::count_if(points.begin(), points.end(), [](const auto& p) { return p["status"] == "done"; });
  EXPECT_EQ(done, 1);
  for (const auto& point : points) {
    const bool is_near = std::abs(point["comp"].get<double>() / 6 - 1) <= 0.08;
    EXPECT_EQ(point["status"], is_near ? "done" : "trained");
  }
  const auto again = run_tool("sweep", "--target-comp 6 --tolerance 8" + flags("search"));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.err, "") << "nothing was left to run";
}

// Another command's points stay in the record, and so does what they start from.
TEST_F(Sweep, PointsOfAnEarlierCommandAreKeptAndShown) {
  ASSERT_EQ(run_tool("sweep", "--alpha 1 --seed 3,4 --fixed-bits 3" + base("grows")).status, 0);
  const auto before = csv("grows");
  const auto row = [&](const std::string& text, const std::string& name) {
    const auto at = text.find("\n" + name + ",");
    return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  };
  const auto float_point = results("grows")["float"];
  const auto model = " --model " + folder_.file("grows/float/model_best.h5");
  const auto result = run_tool("sweep", "--alpha 8 --seed 3" + base("grows"));
  ASSERT_EQ(result.status, 0) << result.err;
  for (const std::string name : {"alpha-1-seed-3", "alpha-1-seed-4", "fixed-3-seed-3", "fixed-3-seed-4"}) {
    EXPECT_EQ(row(csv("grows"), name), row(before, name));
    EXPECT_TRUE(holds(result.out, "\n" + name + " ")) << result.out;
  }
  EXPECT_TRUE(holds(result.out, "\nalpha-1, 2 seeds: comp ")) << result.out;
  EXPECT_TRUE(holds(result.out, "picked on the test set")) << result.out;
  EXPECT_FALSE(row(csv("grows"), "alpha-8-seed-3").empty());
  const auto json = results("grows");
  ASSERT_EQ(json["points"].size(), 5U);
  EXPECT_EQ(json["status"], "done");
  EXPECT_EQ(json["seeds"].size(), 2U);
  EXPECT_EQ(json["points"][0]["name"], "alpha-8-seed-3");

  ASSERT_EQ(run_tool("sweep", "--alpha 1 --seed 3,4 --fixed-bits 3" + base("grows")).err, "")
      << "nothing is left to run";
  EXPECT_EQ(csv("grows").substr(0, before.size()), before);
  ASSERT_EQ(run_tool("sweep", "--alpha 1 --seed 3" + base("grows") + model).status, 0);
  EXPECT_EQ(results("grows")["float"], float_point);
}

TEST_F(Sweep, WhatAKilledSweepLeftHalfWrittenGoesAway) {
  ASSERT_EQ(run_tool("sweep", "--alpha 1 --seed 3" + flags("killed")).status, 0);
  const std::vector<std::string> left = {"/.results.csv.tmp.77", "/.results.json.tmp.78",
                                         "/alpha-1-seed-3/.point.json.tmp.79"};
  for (const auto& name : left) {
    write_bytes(folder_.file("killed" + name), "half");
  }
  ASSERT_EQ(run_tool("sweep", "--alpha 1 --seed 3" + flags("killed")).status, 0);
  for (const auto& name : left) {
    EXPECT_FALSE(fs::exists(folder_.file("killed" + name))) << name;
  }
}

TEST_F(Sweep, FilesOfAnotherMakingStay) {
  for (const std::string name : {"results.csv", "results.json"}) {
    const auto file = folder_.file("theirs/" + name);
    fs::create_directories(folder_.file("theirs"));
    write_bytes(file, "{\"mine\": 1}");
    const auto result = run_tool("sweep", "--alpha 1" + flags("theirs"));
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err.find("sweep: " + file + ": is not what a sweep writes"), 0U) << result.err;
    EXPECT_EQ(read_bytes(file), "{\"mine\": 1}");
    fs::remove(file);
  }
}

TEST_F(Sweep, NamesThatAreNoTextAreRefusedBeforeAnythingRuns) {
  const auto with = [&](const std::string& end) {
    return run_tool("sweep", "--alpha 1 --seed 3" + base("n") + end + " --model " +
                                 tiny_runs().eight_bits().file("model_best.h5"));
  };
  const auto result = with("$(printf '\\377')");
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(holds(result.err, "\\xff: expected UTF-8")) << result.err;
  EXPECT_EQ(with("'\n'").status, 2) << "config.cfg holds no line ends";
  const auto hostile = with(R"('`x`%s"<b>@')");
  EXPECT_EQ(hostile.status, 0) << hostile.err;
  EXPECT_TRUE(fs::exists(folder_.file("n`x`%s\"<b>@/results.json")));
}

TEST_F(Sweep, ASearchThatDoesNotLandNamesTheNearestRun) {
  const auto result = run_tool("sweep", "--target-comp 4.5 --tolerance 0.01 --max-runs 2" + flags("far"));
  EXPECT_EQ(result.status, 1);
  const auto at = result.err.find("within 0.01 %; the nearest run is alpha-");
  ASSERT_NE(at, std::string::npos) << result.err;
  EXPECT_NE(result.err.find(", comp ", at), std::string::npos) << result.err;
}

TEST_F(Sweep, AFolderWithOtherRunsIsRefused) {
  ASSERT_EQ(run_tool("sweep", "--alpha 1" + flags("used")).status, 0);
  const auto before = csv("used");
  const auto result = run_tool("sweep", "--alpha 1 --train momentum=0.5" + flags("used"));
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.err, "/point.json: holds no '--momentum 0.5'; expected it (")) << result.err;
  EXPECT_EQ(csv("used"), before);
  const auto again =
      run_tool("sweep", "--alpha 1" + flags("../" + folder_.path().filename().string() + "//./used/"));
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.err, "") << "the same folder, spelled otherwise";
}

// Slurm's commands as scripts, each made anew for what the queue is to say. sweep_on_slurm has the real ones.
class SlurmSweep : public Sweep {
 protected:
  SlurmSweep() {
    fs::create_directories(folder_.file("bin"));
    make("scontrol", "exit 1");
    make("sacct", "exit 1");
    make("squeue", "exit 0");
  }
  void make(const std::string& name, const std::string& text) {
    const auto path = folder_.file("bin/" + name);
    write_bytes(path, "#!/bin/bash\n" + text + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  CommandResult sweep(const std::string& launcher = "slurm") {
    return run_command("PATH='" + folder_.file("bin") + "':$PATH '" + program("sweep") +
                       "' --alpha 1 --seed 3 --launcher " + launcher + flags(launcher));
  }
};

TEST_F(SlurmSweep, WhatTheQueueSaysDecidesWhatIsSubmitted) {
  const std::string version = "[ \"$1\" = --version ] && exit\n";
  make("sbatch", version + "echo 'sbatch: error: invalid partition' >&2; exit 1");
  auto result = sweep();
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "sweep: sbatch: error: invalid partition\n");

  // As if the sweep had been killed after sbatch took the job, before it knew the number.
  make("sbatch", version + "echo 8");
  make("squeue", "echo '7_0|PENDING (Resources)'");
  result = sweep();
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "tasks in the queue: 1 PENDING (Resources)\n");
  EXPECT_FALSE(holds(result.out, "submitted")) << result.out;
  EXPECT_EQ(results("slurm")["status"], "submitted");

  make("squeue", "echo 'squeue: error: no answer' >&2; exit 1");
  result = sweep();
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "sweep: squeue: error: no answer\n");

  make("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
  make("sacct", "echo '7_0|OUT_OF_MEMORY'");
  make("sbatch", version + "SLURM_ARRAY_JOB_ID=8 SLURM_ARRAY_TASK_ID=0 bash \"${@: -1}\"; echo 8");
  result = sweep();
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "alpha-1-seed-3: task 7_0 ended before the point was done (OUT_OF_MEMORY)\n");
  EXPECT_TRUE(holds(result.out, "submitted job 8: 1 task (points)\n")) << result.out;

  result = sweep();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(results("slurm")["status"], "done");
  EXPECT_EQ(sweep("local").status, 0);
  EXPECT_EQ(csv("slurm"), csv("local"));
  EXPECT_EQ(sweep().err, "") << "nothing is left to run or to ask";
}

TEST_F(Sweep, BadInputIsOneLineAndLeavesNoFolder) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "--alpha"},
      {"--alpha 1 --target-comp 8", "--target-comp"},
      {"--alpha fast", "--alpha fast"},
      {"--alpha 1 --train lr", "--train lr"},
      {"--alpha 1 --train lr=fast", "fast"},
      {"--alpha 1 --train no-such-flag=1", "no-such-flag"},
      {"--alpha 1 --finetune epochs=-3", "-3"},
      {"--alpha 1 --vary decay=1,2", "decay"},
      {"--alpha 1 --vary 'data=a/b,a_b'", "data a/b and data a_b would share the folder"},
      {"--target-comp 8 --seed 1,2", "--seed"},
      {"--target-comp 8 --tolerance 0", "--tolerance"},
      {"--alpha 1 --fixed-bits 4", "holds bits"},
      {"--alpha 1 --sbatch=-pgpu", "--sbatch: no effect without --launcher slurm"},
      {"--alpha 1 --launcher slurm --sbatch=-a1", "-a: sweep makes the array"},
      {"--alpha 1 --launcher slurm --snapshots", "--snapshots: not possible with --launcher slurm"},
      {"--target-comp 8 --launcher slurm", "--target-comp: not possible with --launcher slurm"},
      {"--alpha 1 word", "--alpha word: expected"}};
  for (const auto& [arguments, word] : cases) {
    SCOPED_TRACE(arguments);
    const auto result = run_tool("sweep", arguments + flags("none"));
    EXPECT_NE(result.status, 0);
    EXPECT_EQ(result.err.find("sweep: "), 0U) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(folder_.file("none")));
  }
}

}  // namespace
}  // namespace bsq::test
