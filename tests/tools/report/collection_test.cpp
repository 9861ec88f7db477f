#include "tools/report/collection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "bsq/base/error.h"
#include "tests/tools/tool_runs.h"
#include "tools/cli/folder_lock.h"

namespace bsq::cli {
namespace {

using test::tiny_runs;

TEST(RunRecord, HoldsTheHistoryTheAdjustmentsAndTheModel) {
  const auto run = read_run(tiny_runs().bsq().folder);
  EXPECT_EQ(run.summary.method, "bsq");
  EXPECT_EQ(run.log.history.size(), 3U);
  EXPECT_EQ(run.log.columns, read_checkpoint(tiny_runs().bsq().file("checkpoint.h5")).training->columns);
  ASSERT_EQ(run.adjustments.size(), 4U) << "epochs 0, 1, 2 and the final one";
  EXPECT_EQ(run.adjustments.back().epoch, 3);
  ASSERT_EQ(run.summary.tensors.size(), 9U);
  ASSERT_EQ(run.pictures.size(), 9U);
  for (size_t i = 0; i < run.pictures.size(); ++i) {
    const auto& tensor = run.summary.tensors[i];
    const auto& picture = run.pictures[i];
    EXPECT_EQ(picture.name, tensor.name);
    EXPECT_EQ(static_cast<int64_t>(picture.ones.size()), tensor.bits);
    const double sum = std::accumulate(picture.histogram.begin(), picture.histogram.end(), 0.0);
    EXPECT_EQ(sum, tensor.bits == 0 ? 0 : static_cast<double>(tensor.weights)) << tensor.name;
  }
}

// The best epoch and the last one are told apart by an accuracy that no epoch has.
TEST(RunRecord, AFloatRunIsItsBestEpochWhichSweepsBeginWith) {
  const auto& full = tiny_runs().full();
  const auto run = read_run(full.folder);
  EXPECT_EQ(run.summary.kept.file, "final.h5");
  EXPECT_EQ(run.summary.kept.top1, read_checkpoint(full.file("model_best.h5")).top1);
  EXPECT_EQ(run.summary.final.top1, read_checkpoint(full.file("checkpoint.h5")).top1);
  EXPECT_EQ(run.bytes, std::filesystem::file_size(full.file("final.h5")));
  EXPECT_EQ(run.log.history.size(), 2U) << "the curves are those of all epochs";
  EXPECT_EQ(run.summary.sizes().comp(), 1);
  EXPECT_FALSE(run.pictures.empty());
}

TEST(RunRecord, TheSizesAreThatOfTheModel) {
  const test::TemporaryFolder folder;
  const auto run = folder.file("kept");
  test::run_tiny("convert", "--Nbits 2 --keep-float 'layer3*' --model " +
                                tiny_runs().full().file("model_best.h5") + " --checkpoint " + run);
  const auto found = read_run(run).summary;
  const auto json = test::described(run + "/model_best.h5");
  EXPECT_EQ(found.sizes().comp(), json["comp"]);
  EXPECT_EQ(found.sizes().comp_stored(), json["comp_stored"]);
  const auto is_kept = [](const FloatTensor& t) { return t.name == "layer3.0.conv1.weight"; };
  EXPECT_TRUE(std::any_of(found.floats.begin(), found.floats.end(), is_kept));
}

// A copy of a run as a version without summaries would have left it.
std::string without_summary(const test::TemporaryFolder& folder, const test::ToolRun& run) {
  const auto copy = folder.file(std::filesystem::path(run.folder).filename().string());
  std::filesystem::copy(run.folder, copy);
  std::filesystem::remove(copy + "/summary.json");
  return copy;
}

TEST(RunRecord, ARunOfAnOlderVersionTellsTheSame) {
  const auto& runs = tiny_runs();
  for (const auto* run : {&runs.full(), &runs.bsq(), &runs.finetuned()}) {
    SCOPED_TRACE(run->folder);
    const test::TemporaryFolder folder;
    const auto old = read_run(without_summary(folder, *run));
    const auto now = read_run(run->folder);
    EXPECT_EQ(old.summary.method, now.summary.method);
    EXPECT_EQ(old.summary.program, now.summary.program);
    const bool has_final = std::filesystem::exists(run->file("final.h5"));
    EXPECT_EQ(now.summary.kept.file, has_final ? "final.h5" : old.summary.kept.file)
        << "older runs have none";
    EXPECT_EQ(old.summary.kept.top1, now.summary.kept.top1);
    EXPECT_EQ(old.summary.started_from, now.summary.started_from);
    EXPECT_EQ(old.summary.epochs, now.summary.epochs);
    EXPECT_EQ(old.summary.status, now.summary.status);
    EXPECT_EQ(old.summary.sizes().comp(), now.summary.sizes().comp());
    EXPECT_EQ(old.summary.sizes().comp_stored(), now.summary.sizes().comp_stored());
    EXPECT_EQ(old.log.columns, now.log.columns);
    EXPECT_EQ(old.log.history.size(), now.log.history.size());
    EXPECT_TRUE(old.note.empty()) << old.note;
  }
}

TEST(RunRecord, ADamagedSummaryGivesWayToTheCheckpoints) {
  const test::TemporaryFolder folder;
  const auto run = without_summary(folder, tiny_runs().bsq());
  test::write_bytes(run + "/summary.json", "{");
  const auto found = read_run(run);
  EXPECT_EQ(found.summary.sizes().comp(), read_run(tiny_runs().bsq().folder).summary.sizes().comp());
  EXPECT_NE(found.note.find(run + "/summary.json"), std::string::npos);
}

// Its own folder written anew would be the end of the run that the page describes.
TEST(Collection, ARunAgainGoesToANewFolder) {
  const auto& run = tiny_runs().finetuned();
  const auto again = run.folder + "-again";
  const auto expected = "finetune --config " + run.folder + "/config.cfg --checkpoint " + again +
                        " --export-pth " + again + ".pth";
  EXPECT_EQ(collect({run.folder}).points[0].commands, std::vector<std::string>{expected});
  const auto slash = collect({tiny_runs().eight_bits().folder + "/"}).points[0].commands[0];
  EXPECT_EQ(slash.substr(slash.rfind(' ') + 1), tiny_runs().eight_bits().folder + "-again");
}

TEST(Collection, JoinsATrainingAndItsFinetuning) {
  const auto points =
      collect({tiny_runs().full().folder, tiny_runs().bsq().folder, tiny_runs().finetuned().folder}).points;
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].method(), "float");
  EXPECT_EQ(points[0].label, "float");
  EXPECT_EQ(points[0].comp(), 1);
  EXPECT_EQ(points[1].method(), "bsq → frozen");
  ASSERT_EQ(points[1].runs.size(), 2U);
  EXPECT_EQ(points[1].top1(), read_checkpoint(tiny_runs().finetuned().file("best_bin.h5")).top1);
  EXPECT_EQ(points[1].top1_before(), read_checkpoint(tiny_runs().bsq().file("checkpoint.h5")).top1);
  EXPECT_EQ(points[1].commands.size(), 2U);
}

TEST(Collection, TheOrderOfItsRunsDoesNotMatter) {
  const auto points =
      collect({tiny_runs().finetuned().folder, tiny_runs().bsq().folder, tiny_runs().full().folder}).points;
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].method(), "bsq → frozen");
}

TEST(Collection, AFolderOfRunsIsItsRuns) {
  tiny_runs().finetuned();  // the last that is made: all are there
  const auto above = std::filesystem::path(tiny_runs().full().folder).parent_path().string();
  const auto points = collect({above}).points;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].label, "8 bit");
  EXPECT_EQ(points[1].method(), "converted");
}

TEST(Collection, RunsOfOneLabelAreCalledByTheirNames) {
  const test::TemporaryFolder folder;
  const std::string longest(60, 'x');
  const std::vector<std::string> names = {"a `b`", "b \xC3\xA4", longest + "1", longest + "2"};
  std::vector<std::string> folders;
  for (const auto& name : names) {
    folders.push_back(folder.file(name));
    std::filesystem::copy(tiny_runs().eight_bits().folder, folders.back());
  }
  const auto points = collect(folders).points;
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[0].label, names[0]);
  EXPECT_EQ(points[1].label, names[1]);
  EXPECT_EQ(points[2].label, std::string(11, 'x') + "…" + std::string(10, 'x') + "1");
  EXPECT_EQ(points[3].label, std::string(11, 'x') + "…" + std::string(10, 'x') + "2");
}

TEST(Collection, AFolderWithoutRunsIsRefused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(collect({folder.file("none")}), Error);
  EXPECT_THROW(collect({folder.path().string()}), Error);
}

// A copy of a run whose summary says that it goes on.
std::string running_run(const test::TemporaryFolder& folder, const test::ToolRun& run) {
  const auto copy = folder.file("running");
  std::filesystem::copy(run.folder, copy);
  auto summary = read_summary(copy);
  summary.status = RunStatus::kRunning;
  test::write_bytes(copy + "/summary.json", summary_text(summary));
  return copy;
}

TEST(Collection, ARunGoesOnAsLongAsItsProcessLives) {
  EXPECT_FALSE(collect({tiny_runs().full().folder}).is_running);
  const test::TemporaryFolder folder;
  const auto run = running_run(folder, tiny_runs().full());
  {
    const FolderLock lock(run);
    const auto all = collect({run});
    EXPECT_TRUE(all.is_running);
    EXPECT_EQ(all.points.at(0).status, "running");
  }
  test::write_bytes(run + "/run.lock", "1\n");
  const auto killed = collect({run});
  EXPECT_FALSE(killed.is_running);
  EXPECT_EQ(killed.points.at(0).status, "stopped");
}

// The last epoch is done, what comes after it is not.
TEST(Collection, ARunOfAnOlderVersionIsOverWithItsLastFile) {
  const test::TemporaryFolder folder;
  const auto trained = without_summary(folder, tiny_runs().bsq());
  auto file = read_checkpoint(trained + "/checkpoint.h5");
  file.training->network.clear();
  write_checkpoint(trained + "/checkpoint.h5", file);
  EXPECT_EQ(collect({trained}).points.at(0).status, "stopped");
  const auto finetuned = without_summary(folder, tiny_runs().finetuned());
  EXPECT_EQ(collect({finetuned}).points.at(0).status, "done");
  std::filesystem::remove(finetuned + "/best_bin.h5");
  EXPECT_EQ(collect({finetuned}).points.at(0).status, "stopped");
}

TEST(Collection, AFinetuningThatRunsMakesItsPointRun) {
  const test::TemporaryFolder folder;
  const auto finetuned = running_run(folder, tiny_runs().finetuned());
  const FolderLock lock(finetuned);
  const auto all = collect({tiny_runs().bsq().folder, finetuned});
  ASSERT_EQ(all.points.size(), 1U);
  EXPECT_EQ(all.points[0].status, "running");
  EXPECT_TRUE(all.is_running);
}

// A lock file that somebody holds, as a sweep does.
class HeldFile {
 public:
  explicit HeldFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT, 0666)) {
    EXPECT_EQ(::flock(descriptor_, LOCK_EX), 0);
  }
  ~HeldFile() { ::close(descriptor_); }
  HeldFile(const HeldFile&) = delete;
  HeldFile& operator=(const HeldFile&) = delete;

 private:
  int descriptor_;
};

TEST(Collection, APointOfAKilledSweepIsStopped) {
  const test::TemporaryFolder folder;
  test::write_bytes(
      folder.file("results.json"),
      R"({"status":"running","points":[{"name":"a","folder":"a","status":"bsq_train"},)"
      R"({"name":"b","folder":"b","status":"done"},{"name":"c","folder":"c","status":"failed"}]})");
  const auto statuses = [&] {
    std::vector<std::string> found;
    for (const auto& point : collect({folder.path().string()}).points) {
      found.push_back(point.status);
    }
    return found;
  };
  EXPECT_EQ(statuses(), (std::vector<std::string>{"stopped", "done", "failed"}));
  const HeldFile lock(folder.file(kSweepLock));
  EXPECT_EQ(statuses(), (std::vector<std::string>{"bsq_train", "done", "failed"}));
}

TEST(Collection, ASweepSaysWhetherItRuns) {
  const test::TemporaryFolder folder;
  const auto is_running = [&](const std::string& results) {
    test::write_bytes(folder.file("results.json"), results);
    return collect({folder.path().string()}).is_running;
  };
  const std::string done = R"({"points":[{"name":"a","folder":"a","status":"done"}])";
  const std::string waits = R"({"points":[{"name":"a","folder":"a","status":"waiting"}])";
  EXPECT_FALSE(is_running(waits + R"(,"status":"running"})")) << "killed: nobody holds the folder";
  EXPECT_TRUE(is_running(waits + R"(,"status":"submitted"})")) << "tasks of Slurm hold no folder";
  const HeldFile lock(folder.file(kSweepLock));
  EXPECT_TRUE(is_running(R"({"points":[]})")) << "a search at its start";
  EXPECT_TRUE(is_running(R"({"points":[],"float":{"status":"bsq_train"}})"));
  EXPECT_TRUE(is_running(waits + "}"));
  EXPECT_TRUE(is_running(done + R"(,"float":{"status":"bsq_train"}})"));
  EXPECT_TRUE(is_running(done + R"(,"status":"running"})")) << "a search between two points";
  EXPECT_FALSE(is_running(waits + R"(,"status":"stopped"})"));
  EXPECT_FALSE(is_running(waits + R"(,"status":"failed"})"));
}

void damage(const std::string& file) {
  auto bytes = test::read_bytes(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
  test::write_bytes(file, bytes);
}

TEST(Collection, ADamagedCheckpointIsReadFromTheOneBefore) {
  const test::TemporaryFolder folder;
  const auto run = folder.file("run");
  std::filesystem::copy(tiny_runs().bsq().folder, run);
  // As of a run that was stopped.
  auto summary = test::read_bytes(run + "/summary.json");
  summary.replace(summary.find("final.h5"), 8, "checkpoint.h5");
  test::write_bytes(run + "/summary.json", summary);
  damage(run + "/checkpoint.h5");
  const auto before = collect({run});
  EXPECT_EQ(before.points.at(0).runs.at(0).log.history.size(), 3U);
  EXPECT_EQ(before.fallbacks.size(), 1U);
  EXPECT_TRUE(before.damage.empty());

  damage(run + "/checkpoint.prev.h5");
  const auto none = collect({run, tiny_runs().full().folder});
  ASSERT_EQ(none.points.size(), 2U);
  EXPECT_EQ(none.points[0].status, "failed");
  EXPECT_NE(none.points[0].error.find(run + "/checkpoint.h5"), std::string::npos);
  EXPECT_EQ(none.damage, std::vector<std::string>{none.points[0].error});
  EXPECT_EQ(none.points[1].status, "done");
}

std::string copy_of_bsq(const test::TemporaryFolder& folder, const std::string& name) {
  std::filesystem::copy(tiny_runs().bsq().folder, folder.file(name));
  return folder.file(name);
}

// A file that is none: a folder, a pipe nobody writes to, a device without end, a link to itself, one too
// long.
void spoil(const std::string& file, const std::string& how) {
  if (how == "long") {
    ASSERT_EQ(::truncate(file.c_str(), off_t{3} << 30), 0);
    return;
  }
  std::filesystem::remove(file);
  if (how == "folder") {
    std::filesystem::create_directory(file);
  } else if (how == "pipe") {
    ASSERT_EQ(::mkfifo(file.c_str(), 0666), 0);
  } else {
    const auto target = how == "device" ? "/dev/zero" : std::filesystem::path(file).filename().string();
    std::filesystem::create_symlink(target, file);
  }
}

TEST(Collection, AFileThatIsNoneIsAFailedPointOrComesFromTheCheckpoints) {
  for (const std::string name : {"log.txt", "summary.json", "adjustments.csv", "config.cfg"}) {
    for (const std::string how : {"folder", "pipe", "device", "loop", "long"}) {
      SCOPED_TRACE(name + " is a " + how);
      const test::TemporaryFolder folder;
      const auto run = copy_of_bsq(folder, "run");
      spoil(run + "/" + name, how);
      const auto all = collect({run, tiny_runs().full().folder});
      ASSERT_EQ(all.points.size(), 2U);
      EXPECT_EQ(all.points[1].status, "done");
      const bool is_replaced = name == "log.txt" || name == "summary.json";
      EXPECT_EQ(all.points[0].status, is_replaced ? "done" : "failed");
      const auto& lines = is_replaced ? all.fallbacks : all.damage;
      ASSERT_EQ(lines.size(), 1U);
      EXPECT_EQ(lines[0].find(run + "/" + name + ": "), 0U) << lines[0];
    }
  }
}

TEST(Collection, WhatIsTooLongIsThinnedOrRefused) {
  const test::TemporaryFolder folder;
  const auto run = copy_of_bsq(folder, "run");
  std::string log = "Valid Loss\tEpoch\n", adjustments = "epoch,comp,comp_stored,a\n";
  for (int i = 0; i < 100000; ++i) {
    log += std::to_string(i % 7) + "\t" + std::to_string(i) + "\n";
    adjustments += std::to_string(i) + ",8,5,3\n";
  }
  test::write_bytes(run + "/log.txt", log);
  test::write_bytes(run + "/adjustments.csv", adjustments);
  const auto found = read_run(run);
  EXPECT_EQ(found.rows, 100000);
  EXPECT_LE(found.log.history.size(), 2001U);
  EXPECT_EQ(found.epochs.back(), 99999);
  EXPECT_EQ(found.log.history.size(), found.epochs.size());
  EXPECT_EQ(found.log.history.back().front(), 99999 % 7);
  EXPECT_LE(found.adjustments.size(), 201U);
  EXPECT_EQ(found.adjustments.back().epoch, 99999);
  test::write_bytes(run + "/log.txt", std::string(5000, '\t') + "\n");
  EXPECT_NE(read_run(run).note.find("more than 1000 columns"), std::string::npos);
}

TEST(Collection, AConversionIsNotCalledFinetuned) {
  const auto found = collect({tiny_runs().eight_bits().folder}).points.at(0);
  EXPECT_EQ(found.method(), "converted");
  const test::TemporaryFolder folder;
  const auto again = folder.file("again");
  test::run_tiny("convert", "--Nbits 3 --model " + tiny_runs().full().file("model_best.h5") + " --dict " +
                                tiny_runs().finetuned().file("best_bin.h5") + " --checkpoint " + again);
  EXPECT_EQ(collect({again}).points.at(0).method(), "converted");
  std::filesystem::remove(again + "/summary.json");
  EXPECT_EQ(collect({again}).points.at(0).method(), "converted");
}

// Two copies of a run, the second of which says that its seed is another one.
TEST(Collection, RunsThatDifferOnlyInTheSeedAreAGroup) {
  const test::TemporaryFolder folder;
  const auto one = copy_of_bsq(folder, "one"), two = copy_of_bsq(folder, "two");
  EXPECT_TRUE(collect({one, two}).seeds.empty()) << "the same seed twice is one run twice";
  const auto configured = [&](const std::string& find, const std::string& with) {
    auto text = test::read_bytes(one + "/config.cfg");
    text.replace(text.find(find), find.size(), with);
    return text;
  };
  const auto seed = configured("seed = 1234", "seed = 7");
  test::write_bytes(two + "/config.cfg", seed);
  const auto all = collect({one, two, tiny_runs().full().folder});
  ASSERT_EQ(all.seeds.size(), 1U);
  EXPECT_EQ(all.seeds[0].points, (std::vector<size_t>{0, 1}));
  test::write_bytes(two + "/config.cfg", seed + "momentum = 0.5\n");
  EXPECT_TRUE(collect({one, two}).seeds.empty()) << "another option differs too";
}

TEST(Collection, ANameInAWreckedSweepLeadsNowhereElse) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("sweep"));
  copy_of_bsq(folder, "elsewhere");
  test::write_bytes(folder.file("sweep/results.json"),
                    R"({"points":[{"name":"a","status":"done","runs":["../elsewhere"]},)"
                    R"({"name":"b","status":"done","runs":[")" +
                        folder.file("elsewhere") + R"("]},{"name":["c"]},{"name":"d","status":"done"}]})");
  const auto all = collect({folder.file("sweep")});
  ASSERT_EQ(all.points.size(), 4U);
  EXPECT_TRUE(all.points[0].runs.empty());
  EXPECT_TRUE(all.points[1].runs.empty());
  EXPECT_EQ(all.points[2].status, "failed");
  EXPECT_EQ(all.points[3].status, "done");
}

TEST(Collection, AFolderWithoutRunsIsAFailedPointAmongOthers) {
  const test::TemporaryFolder folder;
  const auto all = collect({folder.file("none"), tiny_runs().full().folder});
  ASSERT_EQ(all.points.size(), 2U);
  EXPECT_EQ(all.points[1].status, "failed");
  EXPECT_NE(all.points[1].error.find("holds no run"), std::string::npos);
}

TEST(Collection, ADamagedRunOfASweepLeavesTheOthers) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("a/bsq"));
  test::write_bytes(folder.file("a/bsq/checkpoint.h5"), "not a model");
  std::filesystem::copy(tiny_runs().finetuned().folder, folder.file("a/finetune"));
  test::write_bytes(folder.file("results.json"),
                    R"({"points":[{"name":"a","folder":"a","status":"done","flags":{"alpha":"4"}}]})");
  const auto all = collect({folder.path().string()});
  ASSERT_EQ(all.points.size(), 1U);
  EXPECT_EQ(all.points[0].status, "failed");
  EXPECT_EQ(all.points[0].runs.size(), 1U);
  EXPECT_EQ(all.damage.size(), 1U);
  for (const std::string broken : {"{", R"({"points":[1]})", R"({"points":[{"name":1}]})"}) {
    test::write_bytes(folder.file("results.json"), broken);
    const auto with = collect({folder.path().string(), tiny_runs().full().folder});
    ASSERT_EQ(with.points.size(), 2U) << broken;
    EXPECT_EQ(with.points[0].status, "failed");
    EXPECT_NE(with.points[0].error.find("results.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace bsq::cli
