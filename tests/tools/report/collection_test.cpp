#include "tools/report/collection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "bsq/base/error.h"
#include "tests/tools/tool_runs.h"

namespace bsq::cli {
namespace {

using test::tiny_runs;

TEST(RunRecord, HoldsTheHistoryTheAdjustmentsAndTheModel) {
  const auto run = read_run(tiny_runs().bsq.folder);
  EXPECT_EQ(run.kind, RunKind::kBits);
  EXPECT_EQ(run.history.size(), 3U);
  EXPECT_EQ(run.column("Comp").size(), 3U);
  EXPECT_EQ(run.flag("decay"), "4");
  EXPECT_EQ(run.flag("no-such-flag"), "");
  ASSERT_EQ(run.adjustments.size(), 4U) << "epochs 0, 1, 2 and the final one";
  EXPECT_EQ(run.adjustments.back().epoch, 3);
  const auto json = test::described(tiny_runs().bsq.file("checkpoint.h5"));
  EXPECT_NEAR(run.adjustments.back().comp, json["comp"], 1e-6);
  ASSERT_EQ(run.tensors.size(), 9U);
  for (size_t i = 0; i < run.tensors.size(); ++i) {
    const auto& tensor = run.tensors[i];
    EXPECT_EQ(static_cast<int64_t>(tensor.ones.size()), tensor.bits);
    EXPECT_EQ(run.adjustments.back().bits[i].second, std::max<int64_t>(tensor.bits, 1));
    double sum = 0;
    for (const double count : tensor.histogram) {
      sum += count;
    }
    EXPECT_EQ(sum, tensor.bits == 0 ? 0 : static_cast<double>(tensor.weights)) << tensor.name;
  }
}

// The best epoch and the last one are told apart by an accuracy that no epoch has.
TEST(RunRecord, AFloatRunIsItsBestEpochWhichSweepsBeginWith) {
  const test::TemporaryFolder folder;
  const auto run = folder.file("float");
  std::filesystem::copy(tiny_runs().full.folder, run);
  auto best = read_checkpoint(run + "/model_best.h5");
  best.top1 = 77.5;
  write_checkpoint(run + "/model_best.h5", best);
  auto found = read_run(run);
  EXPECT_EQ(found.top1, 77.5);
  EXPECT_NE(found.last_top1, 77.5) << "that of the last epoch";
  EXPECT_EQ(found.bytes, std::filesystem::file_size(run + "/model_best.h5"));
  EXPECT_EQ(found.history.size(), 2U) << "the curves are those of all epochs";

  auto last = read_checkpoint(run + "/checkpoint.h5");
  last.training->best_epoch = -1;
  write_checkpoint(run + "/checkpoint.h5", last);
  EXPECT_EQ(read_run(run).top1, last.top1) << "the best model is that of a run before";
}

int64_t float_elements(const Checkpoint& file) {
  int64_t sum = 0;
  for (const auto& [name, stored] : file.network) {
    sum += stored.value.is_floating_point() ? stored.value.numel() : 0;
  }
  return sum;
}

TEST(RunRecord, TheSizesOfAllTensorsAreThatOfTheModel) {
  const test::TemporaryFolder folder;
  const auto run = folder.file("kept");
  const auto source = tiny_runs().full.file("model_best.h5");
  test::run_tiny("convert", "--Nbits 2 --keep-float 'layer3*' --model " + source + " --checkpoint " + run);
  const auto found = read_run(run);
  const auto elements = static_cast<double>(float_elements(read_checkpoint(source)));
  const auto stored = test::described(run + "/model_best.h5")["comp_stored"].get<double>();
  EXPECT_NEAR(32 * elements / static_cast<double>(found.stored_bits()), stored, 1e-9 * stored);
  const auto is_kept = [](const TensorRecord& t) {
    return t.name == "layer3.0.conv1.weight" && t.bits == 32;
  };
  EXPECT_TRUE(std::any_of(found.float_tensors.begin(), found.float_tensors.end(), is_kept));

  const auto full = read_run(tiny_runs().full.folder);
  EXPECT_EQ(full.stored_bits(), 32 * static_cast<int64_t>(elements));
}

// Its own folder written anew would be the end of the run that the page describes.
TEST(Collection, ARunAgainGoesToANewFolder) {
  const auto& run = tiny_runs().finetuned;
  const auto again = run.folder + "-again";
  const auto expected = "finetune --config " + run.folder + "/config.cfg --checkpoint " + again +
                        " --export-pth " + again + ".pth";
  EXPECT_EQ(collect({run.folder}).points[0].commands, std::vector<std::string>{expected});
  const auto slash = collect({tiny_runs().eight_bits.folder + "/"}).points[0].commands[0];
  EXPECT_EQ(slash.substr(slash.rfind(' ') + 1), tiny_runs().eight_bits.folder + "-again");
}

TEST(Collection, JoinsATrainingAndItsFinetuning) {
  const auto points =
      collect({tiny_runs().full.folder, tiny_runs().bsq.folder, tiny_runs().finetuned.folder}).points;
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].kind, PointKind::kFloat);
  EXPECT_EQ(points[0].comp(), 1);
  EXPECT_EQ(points[1].kind, PointKind::kBsq);
  EXPECT_EQ(points[1].alpha, "4");
  ASSERT_TRUE(points[1].finetuned.has_value());
  EXPECT_EQ(points[1].top1(), read_checkpoint(tiny_runs().finetuned.file("best_bin.h5")).top1);
  EXPECT_EQ(points[1].commands.size(), 2U);
}

TEST(Collection, AFolderOfRunsIsItsRuns) {
  const auto above = std::filesystem::path(tiny_runs().full.folder).parent_path().string();
  const auto points = collect({above}).points;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].label, "8 bit");
  EXPECT_EQ(points[1].kind, PointKind::kFixed);
}

TEST(Collection, AFolderWithoutRunsIsRefused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(collect({folder.file("none")}), Error);
  EXPECT_THROW(collect({folder.path().string()}), Error);
}

// A copy of a run whose checkpoint.h5 is changed.
template <typename Change>
std::string changed_run(const test::TemporaryFolder& folder, const test::ToolRun& run, const Change& change) {
  const auto copy = folder.file("changed");
  std::filesystem::remove_all(copy);
  std::filesystem::copy(run.folder, copy);
  auto file = read_checkpoint(copy + "/checkpoint.h5");
  change(*file.training);
  write_checkpoint(copy + "/checkpoint.h5", file);
  return copy;
}

void expect_running(const std::string& run) {
  const auto all = collect({run});
  EXPECT_TRUE(all.is_running);
  EXPECT_EQ(all.points.at(0).status, "running");
}

TEST(Collection, ARunIsRunningUntilItsEnd) {
  const test::TemporaryFolder folder;
  const auto go_back = [](TrainingState& state) { state.next_epoch = 1; };
  const auto keep = [](TrainingState&) {};
  for (const auto* run : {&tiny_runs().full, &tiny_runs().bsq, &tiny_runs().finetuned}) {
    EXPECT_FALSE(collect({run->folder}).is_running);
    expect_running(changed_run(folder, *run, go_back));
  }
  EXPECT_FALSE(collect({tiny_runs().eight_bits.folder}).is_running) << "a conversion";
  // The last epoch is done, what comes after it is not.
  expect_running(changed_run(folder, tiny_runs().bsq, [](TrainingState& state) { state.network.clear(); }));
  const auto finetuned = changed_run(folder, tiny_runs().finetuned, keep);
  std::filesystem::remove(finetuned + "/best_bin.h5");
  expect_running(finetuned);
  // Resumed with more epochs, none of which is done.
  const auto resumed = changed_run(folder, tiny_runs().full, keep);
  auto config = test::read_bytes(resumed + "/config.cfg");
  config.replace(config.find("epochs = 2"), 10, "epochs = 4");
  test::write_bytes(resumed + "/config.cfg", config);
  expect_running(resumed);
}

TEST(Collection, AFinetuningThatRunsMakesItsPointRun) {
  const test::TemporaryFolder folder;
  const auto finetuned =
      changed_run(folder, tiny_runs().finetuned, [](TrainingState& state) { state.next_epoch = 1; });
  const auto all = collect({tiny_runs().bsq.folder, finetuned});
  ASSERT_EQ(all.points.size(), 1U);
  EXPECT_EQ(all.points[0].status, "running");
  EXPECT_TRUE(all.is_running);
}

TEST(Collection, ASweepSaysWhetherItRuns) {
  const test::TemporaryFolder folder;
  const auto is_running = [&](const std::string& results) {
    test::write_bytes(folder.file("results.json"), results);
    return collect({folder.path().string()}).is_running;
  };
  const std::string done = R"({"points":[{"name":"a","folder":"a","status":"done"}])";
  const std::string waits = R"({"points":[{"name":"a","folder":"a","status":"waiting"}])";
  EXPECT_TRUE(is_running(R"({"points":[]})")) << "a search at its start";
  EXPECT_TRUE(is_running(R"({"points":[],"float":{"status":"bsq_train"}})"));
  EXPECT_TRUE(is_running(waits + "}"));
  EXPECT_FALSE(is_running(done + "}"));
  EXPECT_TRUE(is_running(done + R"(,"float":{"status":"bsq_train"}})"));
  EXPECT_FALSE(is_running(done + R"(,"float":{"status":"done"}})"));
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
  std::filesystem::copy(tiny_runs().bsq.folder, run);
  damage(run + "/checkpoint.h5");
  const auto before = collect({run});
  EXPECT_EQ(before.points.at(0).trained->history.size(), 3U);
  EXPECT_EQ(before.fallbacks.size(), 1U);
  EXPECT_TRUE(before.damage.empty());

  damage(run + "/checkpoint.prev.h5");
  const auto none = collect({run, tiny_runs().full.folder});
  ASSERT_EQ(none.points.size(), 2U);
  EXPECT_EQ(none.points[0].status, "failed");
  EXPECT_NE(none.points[0].error.find(run + "/checkpoint.h5"), std::string::npos);
  EXPECT_EQ(none.damage, std::vector<std::string>{none.points[0].error});
  EXPECT_EQ(none.points[1].status, "done");
}

TEST(Collection, ADamagedRunOfASweepLeavesTheOthers) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("a/bsq"));
  test::write_bytes(folder.file("a/bsq/checkpoint.h5"), "not a model");
  std::filesystem::copy(tiny_runs().finetuned.folder, folder.file("a/finetune"));
  test::write_bytes(folder.file("results.json"),
                    R"({"points":[{"name":"a","folder":"a","status":"done","flags":{"alpha":"4"}}]})");
  const auto all = collect({folder.path().string()});
  ASSERT_EQ(all.points.size(), 1U);
  EXPECT_EQ(all.points[0].status, "failed");
  EXPECT_TRUE(all.points[0].finetuned.has_value());
  EXPECT_EQ(all.damage.size(), 1U);
  for (const std::string broken : {"{", R"({"points":[1]})", R"({"points":[{"name":1}]})"}) {
    test::write_bytes(folder.file("results.json"), broken);
    const auto with = collect({folder.path().string(), tiny_runs().full.folder});
    ASSERT_EQ(with.points.size(), 2U) << broken;
    EXPECT_EQ(with.points[0].status, "failed");
    EXPECT_NE(with.points[0].error.find("results.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace bsq::cli
