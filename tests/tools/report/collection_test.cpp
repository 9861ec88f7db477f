#include "tools/report/collection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "bsq/error.h"
#include "tests/tools/tool_runs.h"

namespace bsq::cli {
namespace {

using test::tiny_runs;

TEST(ParetoFront, KeepsWhatNothingBeats) {
  EXPECT_EQ(pareto_front({4, 8, 16, 8}, {90, 91, 80, 70}), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(pareto_front({4, 8, 16}, {92, 91, 80}), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(pareto_front({4, NAN}, {92, 99}), (std::vector<size_t>{0}));
  EXPECT_EQ(pareto_front({4, 4}, {92, 93}), (std::vector<size_t>{1}));
  EXPECT_TRUE(pareto_front({}, {}).empty());
}

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
  EXPECT_EQ(collect_points({run.folder})[0].commands, std::vector<std::string>{expected});
  const auto slash = collect_points({tiny_runs().eight_bits.folder + "/"})[0].commands[0];
  EXPECT_EQ(slash.substr(slash.rfind(' ') + 1), tiny_runs().eight_bits.folder + "-again");
}

TEST(Collection, JoinsATrainingAndItsFinetuning) {
  const auto points =
      collect_points({tiny_runs().full.folder, tiny_runs().bsq.folder, tiny_runs().finetuned.folder});
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
  const auto points = collect_points({above});
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].label, "8 bit");
  EXPECT_EQ(points[1].kind, PointKind::kFixed);
}

TEST(Collection, AFolderWithoutRunsIsRefused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(collect_points({folder.file("none")}), Error);
  EXPECT_THROW(collect_points({folder.path().string()}), Error);
  test::write_bytes(folder.file("results.json"), "{");
  EXPECT_THROW(collect_points({folder.path().string()}), Error);
}

}  // namespace
}  // namespace bsq::cli
