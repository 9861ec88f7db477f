#include "tests/tools/method_runs.h"

#include <filesystem>

#include "bsq/io/run_summary.h"
#include "bsq/nn/network_sizes.h"

namespace bsq::test {
namespace {

void expect_same_run(const std::string& whole, const std::string& parts) {
  expect_same_checkpoint(whole + "/checkpoint.h5", parts + "/checkpoint.h5");
  EXPECT_EQ(read_log_without_clock(whole + "/log.txt"), read_log_without_clock(parts + "/log.txt"));
}

// Kills a run so hard that nothing is saved on the way out, some moments after its first checkpoint. A moment
// between two epochs is tried again.
void kill_in_mid_epoch(const std::string& arguments, const std::string& folder) {
  for (int attempt = 1; attempt <= 15; ++attempt) {
    std::filesystem::remove_all(folder);
    run_command("'" + program("bsq_train") + "' " + arguments + folder +
                " & pid=$!; for i in $(seq 3000); do [ -e " + folder +
                "/checkpoint.h5 ] && break; sleep 0.02; done; sleep " + std::to_string(0.1 * attempt) +
                "; kill -KILL $pid; wait $pid");
    const auto file = read_checkpoint(folder + "/checkpoint.h5");
    if (file.training && file.training->next_step > 0) {
      return;
    }
  }
  FAIL() << "no kill fell into the middle of an epoch";
}

}  // namespace

MethodRuns::MethodRuns() {
  full_ = run("full", "bsq_train", "--float --depth 8 --epochs 2 --lr 0.05 --schedule 10");
}

ToolRun MethodRuns::run(const std::string& name, const std::string& tool,
                        const std::string& arguments) const {
  const auto folder = folder_.file(name);
  return {folder, run_tiny(tool, arguments + " --out " + folder)};
}

ToolRun MethodRuns::train(const std::string& name, const std::string& arguments) const {
  return run(name, "bsq_train", arguments + " --model " + start());
}

ToolRun MethodRuns::finetune(const std::string& name, const ToolRun& trained) const {
  return run(name, "finetune", "--bin --epochs 1 --lr 0.001 --model " + trained.file("checkpoint.h5"));
}

const MethodRuns& method_runs() {
  static const MethodRuns runs;
  return runs;
}

void expect_learns(const ToolRun& run) {
  const auto log = read_log(run.file("log.txt"));
  ASSERT_GE(log.size(), 3U);
  EXPECT_LT(std::stod(log.back().at(1)), std::stod(log.at(1).at(1))) << "the loss of training";
}

void expect_evaluation_agrees(const ToolRun& run, const std::string& flags) {
  const auto file = run.file("checkpoint.h5");
  const auto count = correct_count(run.out, "final:");
  EXPECT_EQ(correct_count(run_tiny("bsq_train", flags + " --evaluate --model " + file), "start:"), count);
  EXPECT_EQ(evaluated_count(file), count) << "the frozen grid has the same values";
}

void expect_more_epochs_are_those_of(const ToolRun& whole, const std::string& flags) {
  const auto parts = method_runs().train(
      "parts-of-" + std::filesystem::path(whole.folder).filename().string(), "--epochs 1 " + flags);
  const auto rest = run_tiny("bsq_train", "--resume --epochs 2 --out " + parts.folder);
  EXPECT_TRUE(holds(rest, "resumed at epoch 1, step 0\n")) << rest;
  expect_same_run(whole.folder, parts.folder);
}

void expect_a_kill_leaves_no_trace(const std::string& flags) {
  const TemporaryFolder folder;
  const auto whole = folder.file("whole"), parts = folder.file("parts");
  const auto arguments =
      "--epochs 2 --threads 1 --workers 1 --train-batch 5 --test-batch 50 --checkpoint-steps 3 --data " +
      tiny_data() + " " + flags + " --model " + method_runs().start() + " --out ";
  const auto result = run_tool("bsq_train", arguments + whole);
  ASSERT_EQ(result.status, 0) << result.err;
  kill_in_mid_epoch(arguments, parts);
  ASSERT_FALSE(testing::Test::HasFatalFailure());
  const auto rest = run_tool("bsq_train", "--resume --threads 1 --out " + parts);
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_FALSE(holds(rest.out, ", step 0\n")) << rest.out;
  expect_same_run(whole, parts);
}

void expect_finetuning_packs(const ToolRun& trained, const ToolRun& finetuned) {
  EXPECT_EQ(correct_count(finetuned.out, "start:"), correct_count(trained.out, "final:"));
  const auto best = finetuned.file("best_bin.h5");
  EXPECT_EQ(evaluated_count(best), correct_count(finetuned.out, "best:"));
  EXPECT_EQ(evaluated_count(finetuned.file("best_float.h5")), correct_count(finetuned.out, "best:"));
  EXPECT_EQ(described(best)["comp"], described(trained.file("checkpoint.h5"))["comp"]);
  const auto sizes = sizes_of(read_checkpoint(best).network);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(best));
  EXPECT_LE(bytes, sizes.stored_bits / 8 + 64 * 1024);
}

void expect_conversion_takes(const ToolRun& trained) {
  const TemporaryFolder folder;
  const auto out = run_tiny(
      "convert", "--bits 8 --model " + trained.file("checkpoint.h5") + " --out " + folder.file("converted"));
  EXPECT_EQ(correct_count(out, "before:"), correct_count(trained.out, "final:"));
  EXPECT_EQ(correct_count(out, "after:"), evaluated_count(folder.file("converted/model_best.h5")));
}

void expect_report_knows(const std::vector<ToolRun>& runs, const std::string& method) {
  EXPECT_EQ(read_summary(runs.front().folder).method, method);
  const TemporaryFolder folder;
  std::string folders;
  for (const auto& run : runs) {
    folders += run.folder + " ";
  }
  const auto result = run_tool("report", folders + "--out " + folder.file("report"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(holds(read_bytes(folder.file("report/index.html")), method));
}

void expect_refused(const std::string& tool, const std::string& arguments, int status,
                    const std::string& words) {
  const TemporaryFolder folder;
  const auto result = run_tool(tool, arguments + tiny_flags() + " --out " + folder.file("out"));
  if (status == 0) {
    EXPECT_NE(result.status, 0) << arguments;
  } else {
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
  }
  EXPECT_TRUE(holds(result.err, words)) << arguments << "\n" << result.err;
  EXPECT_FALSE(holds(result.err, "terminate")) << result.err;
}

}  // namespace bsq::test
