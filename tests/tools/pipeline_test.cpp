#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "bsq/nn/network_sizes.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

using Names = std::set<std::string>;

Names names_in(const std::string& folder) {
  Names names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

const std::vector<std::string> kFirstColumns = {"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.",
                                                "Valid Acc."};

std::vector<std::string> with_more(std::vector<std::string> columns, const std::vector<std::string>& more) {
  columns.insert(columns.end(), more.begin(), more.end());
  return columns;
}

void expect_log(const ToolRun& run, const std::vector<std::string>& columns, size_t epochs) {
  const auto log = read_log(run.file("log.txt"));
  ASSERT_EQ(log.size(), epochs + 1);
  EXPECT_EQ(log[0], columns);
  for (const auto& row : log) {
    EXPECT_EQ(row.size(), columns.size());
  }
}

TEST(Pipeline, FullPrecisionWritesItsFolder) {
  const auto& run = tiny_runs().full();
  EXPECT_EQ(names_in(run.folder), (Names{"checkpoint.h5", "checkpoint.prev.h5", "model_best.h5", "final.h5",
                                         "log.txt", "results.csv", "config.cfg", "summary.json"}));
  expect_log(run, with_more(kFirstColumns, {"Epoch", "Comp Stored", "Seconds", "Wait %"}), /*epochs=*/2);
  EXPECT_NE(run.out.find("\nepoch 1  lr 0.05"), std::string::npos) << run.out;
  EXPECT_NE(correct_count(run.out, "final:"), "");
}

TEST(Pipeline, FullPrecisionLearns) {
  const auto log = read_log(tiny_runs().full().file("log.txt"));
  EXPECT_LT(std::stod(log.at(2).at(1)), std::stod(log.at(1).at(1)));
}

TEST(Pipeline, ConversionGivesEveryLayerEightBits) {
  const auto& run = tiny_runs().eight_bits();
  EXPECT_EQ(names_in(run.folder), (Names{"model_best.h5", "config.cfg", "summary.json"}));
  EXPECT_EQ(correct_count(run.out, "before:"), evaluated_count(tiny_runs().full().file("model_best.h5")));
  EXPECT_EQ(correct_count(run.out, "after:"), evaluated_count(run.file("model_best.h5")));
  const auto json = described(run.file("model_best.h5"));
  EXPECT_EQ(json["method"], "frozen");
  EXPECT_EQ(json["tensors"].size(), 9U);
  for (const auto& tensor : json["tensors"]) {
    EXPECT_EQ(tensor["bits"], 8) << tensor;
  }
}

TEST(Pipeline, BitTrainingWritesItsFolderAndShrinks) {
  const auto& run = tiny_runs().bsq();
  EXPECT_EQ(names_in(run.folder),
            (Names{"checkpoint.h5", "checkpoint.prev.h5", "model_best.h5", "final.h5", "log.txt",
                   "results.csv", "config.cfg", "adjustments.csv", "layers.csv", "summary.json"}));
  expect_log(run, with_more(kFirstColumns, {"Reg Loss", "Comp", "Epoch", "Comp Stored", "Seconds", "Wait %"}),
             /*epochs=*/3);
  EXPECT_NE(run.out.find("precision adjustment at epoch 1\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find(", comp 4.00, comp_stored "), std::string::npos) << run.out;
  const auto json = described(run.file("checkpoint.h5"));
  EXPECT_GT(json["comp"], 4.2);
  EXPECT_LT(json["comp"], 16);
}

TEST(Pipeline, TheFinalAdjustmentIsPrintedBeforeTheFinalLine) {
  const auto& out = tiny_runs().bsq().out;
  EXPECT_LT(out.find("\nfinal precision adjustment\n"), out.find("\nfinal: top-1 "));
}

std::string last_line(std::string text) {
  text.erase(text.find_last_not_of('\n') + 1);
  return text.substr(text.rfind('\n') + 1);
}

TEST(Pipeline, TheLastLineNamesTheModelForTheNextStep) {
  const auto& runs = tiny_runs();
  const auto start = "wrote " + runs.bsq().file("final.h5") + ": comp ";
  const auto next =
      "; next: finetune --model " + runs.bsq().file("final.h5") + " --data " + tiny_data() + " --out FOLDER";
  const auto line = last_line(runs.bsq().out);
  EXPECT_EQ(line.rfind(start, 0), 0U) << line;
  EXPECT_TRUE(holds(line, next)) << line;
  EXPECT_TRUE(holds(line, "(" + evaluated_count(runs.bsq().file("final.h5")) + ")")) << line;
  EXPECT_TRUE(holds(last_line(runs.full().out),
                    "; next: convert --model " + runs.full().file("final.h5") + " --bits 8"))
      << last_line(runs.full().out);
}

TEST(Pipeline, TheFinalModelIsThatOfTheCheckpointOrTheBestEpoch) {
  const auto& runs = tiny_runs();
  EXPECT_EQ(described(runs.bsq().file("final.h5"))["comp"],
            described(runs.bsq().file("checkpoint.h5"))["comp"]);
  EXPECT_EQ(evaluated_count(runs.bsq().file("final.h5")), evaluated_count(runs.bsq().file("checkpoint.h5")));
  expect_same_state(read_checkpoint(runs.full().file("final.h5")).network,
                    read_checkpoint(runs.full().file("model_best.h5")).network);
  TemporaryFolder folder;
  for (const char* file : {"final.h5", "checkpoint.h5"}) {
    run_tiny("finetune",
             "--epochs 1 --lr 0.01 --model " + runs.bsq().file(file) + " --out " + folder.file(file));
  }
  expect_same_state(read_checkpoint(folder.file("final.h5/checkpoint.h5")).network,
                    read_checkpoint(folder.file("checkpoint.h5/checkpoint.h5")).network);
}

double final_size(const std::string& flags, const std::string& measure) {
  TemporaryFolder folder;
  run_tiny("bsq_train", "--model " + tiny_runs().full().file("final.h5") + " --epochs 3 --lr 0.02 " + flags +
                            " --out " + folder.file("run"));
  return described(folder.file("run/final.h5"))[measure].get<double>();
}

TEST(Pipeline, ARunArrivesAtTheSizeThatIsAskedFor) {
  EXPECT_NEAR(final_size("--target-comp 9", "comp"), 9, 0.03 * 9);
  EXPECT_NEAR(final_size("--target-stored 5", "comp_stored"), 5, 0.03 * 5);
  const auto both = run_tool("bsq_train", "--target-comp 9 --target-kb 5");
  EXPECT_EQ(both.status, 2);
  EXPECT_TRUE(holds(both.err, "only one target can be given")) << both.err;
}

TEST(Pipeline, ATeacherIsLearntFrom) {
  TemporaryFolder folder;
  const std::string flags =
      "--method lsq --act 2 --epochs 1 --lr 0.02 --model " + tiny_runs().full().file("final.h5") + " ";
  run_tiny("bsq_train", flags + "--out " + folder.file("alone"));
  run_tiny("bsq_train", flags + "--teacher self --out " + folder.file("self"));
  run_tiny("bsq_train",
           flags + "--teacher " + tiny_runs().full().file("final.h5") + " --out " + folder.file("file"));
  const auto network_in = [&](const std::string& name) {
    return read_checkpoint(folder.file(name + "/final.h5")).network;
  };
  const auto log_of = [&](const std::string& name) {
    return read_log_without_clock(folder.file(name + "/log.txt"));
  };
  expect_same_state(network_in("file"), network_in("self"));
  EXPECT_EQ(log_of("file"), log_of("self"));
  EXPECT_FALSE(
      torch::equal(network_in("self").front().second.value, network_in("alone").front().second.value));
  const auto missing =
      run_tool("bsq_train", flags + "--teacher missing.h5 --out " + folder.file("none") + tiny_flags());
  EXPECT_EQ(missing.status, 1);
  EXPECT_TRUE(holds(missing.err, "missing.h5")) << missing.err;
  EXPECT_FALSE(std::filesystem::exists(folder.file("none")));
  EXPECT_TRUE(holds(run_tool("bsq_train", "--teacher self").err, "--teacher: self needs --model FILE"));
}

TEST(Pipeline, ARunSaysWhatItsUserMayNotExpect) {
  TemporaryFolder folder;
  const auto out =
      run_tiny("bsq_train", "--depth 8 --epochs 2 --schedule 5 --adjust-every 50 --out " + folder.file("a"));
  for (const char* line : {"no --model: the weights are random, drawn with --seed 1234\n",
                           "--schedule 5: the learning rate does not drop in 2 epochs\n",
                           "--adjust-every 50: 2 epochs have no adjustment but those at both ends\n"}) {
    EXPECT_TRUE(holds(out, line)) << out;
  }
  EXPECT_TRUE(holds(read_bytes(folder.file("a/config.cfg")), "schedule = 5\n"));
  EXPECT_TRUE(holds(out, "bits 598480, comp 4.00")) << "8 bits by default: " << out;
  const auto quiet =
      run_tiny("bsq_train", "--epochs 3 --adjust-every 2 --model " + tiny_runs().full().file("final.h5") +
                                " --out " + folder.file("b"));
  EXPECT_FALSE(holds(quiet, "--schedule")) << quiet;
  EXPECT_FALSE(holds(quiet, "--adjust-every")) << quiet;
  EXPECT_FALSE(holds(quiet, "random")) << quiet;
  EXPECT_TRUE(holds(read_bytes(folder.file("b/config.cfg")), "lr-schedule = cosine\n"));
}

// Statistics that training tracks follow the weights late: with --reestimate 0 the second epoch has 56.5 %
// here.
TEST(Pipeline, ValidationKeepsUpWithTraining) {
  TemporaryFolder folder;
  const auto result =
      run_tool("bsq_train", "--float --depth 8 --dataset synthetic --threads 1 --epochs 2 --lr 0.1 --out " +
                                folder.file("run"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto log = read_log(folder.file("run/log.txt"));
  const auto column = [&](const char* name) {
    return std::stod(log.back().at(std::find(log[0].begin(), log[0].end(), name) - log[0].begin()));
  };
  EXPECT_GT(column("Valid Acc."), column("Train Acc.") - 5);
}

TEST(Pipeline, FinetuningWritesItsFolderAndKeepsTheScheme) {
  const auto& run = tiny_runs().finetuned();
  EXPECT_EQ(names_in(run.folder),
            (Names{"checkpoint.h5", "checkpoint.prev.h5", "model_best.h5", "log.txt", "results.csv",
                   "config.cfg", "best_bin.h5", "best_float.h5", "layers.csv", "summary.json"}));
  expect_log(run, with_more(kFirstColumns, {"Epoch", "Comp Stored", "Seconds", "Wait %"}), /*epochs=*/2);
  const auto before = described(tiny_runs().bsq().file("checkpoint.h5"))["tensors"];
  const auto after = described(run.file("best_bin.h5"))["tensors"];
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i]["name"], after[i]["name"]);
    const bool is_gone = after[i]["bits"] == 0 && before[i]["bits"] == 1;
    EXPECT_TRUE(is_gone || before[i]["bits"] == after[i]["bits"]) << before[i] << after[i];
  }
}

TEST(Pipeline, EvaluationAgreesWithTheRunThatWroteTheFile) {
  const auto& runs = tiny_runs();
  for (const auto* run : {&runs.full(), &runs.bsq(), &runs.finetuned()}) {
    EXPECT_EQ(evaluated_count(run->file("checkpoint.h5")), correct_count(run->out, "final:")) << run->folder;
  }
  const auto best = correct_count(runs.finetuned().out, "best:");
  EXPECT_EQ(evaluated_count(runs.finetuned().file("best_bin.h5")), best);
  EXPECT_EQ(evaluated_count(runs.finetuned().file("best_float.h5")), best);
  const auto out = run_tiny("bsq_train", "--evaluate --model " + runs.bsq().file("checkpoint.h5"));
  EXPECT_EQ(correct_count(out, "start:"), correct_count(runs.bsq().out, "final:"));
}

TEST(Pipeline, TheBinaryFileIsAsSmallAsCompStoredSays) {
  const auto file = tiny_runs().finetuned().file("best_bin.h5");
  const auto checkpoint = read_checkpoint(file);
  const auto sizes = sizes_of(checkpoint.network);
  EXPECT_DOUBLE_EQ(checkpoint.comp, sizes.comp());
  EXPECT_DOUBLE_EQ(checkpoint.comp_stored, sizes.comp_stored());
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(file));
  EXPECT_LE(bytes, sizes.stored_bits / 8 + 64 * 1024);
  EXPECT_LT(bytes, sizes.float32_bits / 8);
}

TEST(Pipeline, ConversionTakesTheSchemeOfAnotherFile) {
  const auto& runs = tiny_runs();
  TemporaryFolder folder;
  const auto scheme = runs.finetuned().file("best_bin.h5");
  const auto out = run_tiny("convert", "--model " + runs.full().file("model_best.h5") + " --dict " + scheme +
                                           " --checkpoint " + folder.file("mixed"));
  const auto wanted = described(scheme)["tensors"];
  const auto found = described(folder.file("mixed/model_best.h5"))["tensors"];
  ASSERT_EQ(wanted.size(), found.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(found[i]["name"], wanted[i]["name"]);
    EXPECT_EQ(found[i]["bits"], std::max<int64_t>(1, wanted[i]["bits"])) << wanted[i];
  }
  EXPECT_EQ(correct_count(out, "after:"), evaluated_count(folder.file("mixed/model_best.h5")));
}

// --overwrite, for the export of the run before.
void expect_reruns(const std::string& tool, const ToolRun& run, const std::vector<std::string>& files) {
  SCOPED_TRACE(run.folder);
  TemporaryFolder again;
  const auto result = run_tool(
      tool, "--overwrite --config " + run.file("config.cfg") + " --checkpoint " + again.path().string());
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto& file : files) {
    expect_same_checkpoint(again.file(file), run.file(file));
  }
  if (tool != "convert") {
    EXPECT_EQ(read_log_without_clock(again.file("log.txt")), read_log_without_clock(run.file("log.txt")));
  }
}

TEST(Pipeline, TheWrittenConfigurationRerunsTheRun) {
  const auto& runs = tiny_runs();
  expect_reruns("bsq_train", runs.full(), {"checkpoint.h5", "model_best.h5"});
  expect_reruns("convert", runs.eight_bits(), {"model_best.h5"});
  expect_reruns("bsq_train", runs.bsq(), {"checkpoint.h5", "model_best.h5"});
  expect_reruns("finetune", runs.finetuned(), {"checkpoint.h5", "best_bin.h5", "best_float.h5"});
}

TEST(Pipeline, TheSeedDecides) {
  TemporaryFolder folder;
  const std::string flags = "--float --depth 8 --epochs 1 --lr 0.05 --schedule 10 --manualSeed ";
  run_tiny("bsq_train", flags + "7 --checkpoint " + folder.file("a"));
  run_tiny("bsq_train", flags + "7 --checkpoint " + folder.file("b"));
  run_tiny("bsq_train", flags + "8 --checkpoint " + folder.file("c"));
  expect_same_checkpoint(folder.file("a/checkpoint.h5"), folder.file("b/checkpoint.h5"));
  EXPECT_NE(read_log_without_clock(folder.file("a/log.txt")),
            read_log_without_clock(folder.file("c/log.txt")));
}

TEST(Pipeline, AFixedWidthBaselineComesFromTheFloatFileAlone) {
  TemporaryFolder folder;
  const auto out =
      run_tiny("finetune", "--Nbits 3 --epochs 1 --model " + tiny_runs().full().file("model_best.h5") +
                               " --checkpoint " + folder.file("fixed"));
  const auto file = described(folder.file("fixed/best_bin.h5"));
  for (const auto& tensor : file["tensors"]) {
    EXPECT_EQ(tensor["bits"], 3) << tensor;
  }
  EXPECT_EQ(evaluated_count(folder.file("fixed/best_bin.h5")), correct_count(out, "best:"));
}

TEST(Pipeline, NoEpochsStillEndInAFinalModel) {
  TemporaryFolder folder;
  const auto out = run_tiny("bsq_train", "--float --depth 8 --epochs 0 --checkpoint " + folder.file("none"));
  EXPECT_EQ(correct_count(out, "final:"), evaluated_count(folder.file("none/checkpoint.h5")));
  EXPECT_EQ(out.find("best:"), std::string::npos) << out;
}

}  // namespace
}  // namespace bsq::test
