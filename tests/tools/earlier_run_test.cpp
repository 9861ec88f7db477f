#include <filesystem>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

class EarlierRun : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(tiny_runs().finetuned().folder, run_, std::filesystem::copy_options::recursive);
  }

  void expect_refused(const std::string& tool, const std::string& arguments, const std::string& part) {
    const auto before = folder_bytes(run_);
    const auto result = run_tool(tool, arguments + " --checkpoint " + run_ + tiny_flags());
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_TRUE(holds(result.err, part)) << result.err;
    EXPECT_EQ(folder_bytes(run_), before);
  }

  TemporaryFolder folder_;
  std::string run_ = folder_.file("run");
  std::string full_ = tiny_runs().full().file("model_best.h5");
};

TEST_F(EarlierRun, IsNotWrittenOverUnasked) {
  expect_refused("bsq_train", "--L1 --model " + full_, "holds a run at epoch");
  expect_refused("finetune", "--model " + tiny_runs().bsq().file("checkpoint.h5"), "or --overwrite");
  expect_refused("convert", "--model " + full_, "holds a run at epoch");
}

TEST_F(EarlierRun, ThatCannotBeReadIsNotWrittenOverEither) {
  write_bytes(run_ + "/checkpoint.h5", "damaged");
  std::filesystem::remove(run_ + "/checkpoint.prev.h5");
  expect_refused("bsq_train", "--L1 --model " + full_, "cannot be read");
}

TEST_F(EarlierRun, OfNoStepMakesWay) {
  const auto start = folder_.file("start");
  for (int i = 0; i < 2; ++i) {
    run_tiny("bsq_train", "--float --depth 8 --epochs 0 --checkpoint " + start);
  }
}

TEST_F(EarlierRun, GoesWhereOverwriteSaysSo) {
  run_tiny("bsq_train", "--overwrite --epochs 1 --lr 0.01 --L1 --model " + full_ + " --checkpoint " + run_);
  EXPECT_EQ(described(run_ + "/checkpoint.h5")["method"], "bsq");
  EXPECT_FALSE(std::filesystem::exists(run_ + "/best_bin.h5")) << "of the run before";
  EXPECT_EQ(read_bytes(run_ + "/config.cfg").find("overwrite"), std::string::npos);
  const auto both = run_tool("bsq_train", "--overwrite --resume --checkpoint " + run_);
  EXPECT_EQ(both.status, 2);
  EXPECT_TRUE(holds(both.err, "cannot go with --resume")) << both.err;
}

TEST_F(EarlierRun, StaysWhereTheNewOneCannotBeSaved) {
  const auto before = folder_bytes(run_);
  const auto result =
      run_command("prlimit --fsize=20000 '" + program("bsq_train") + "' --overwrite --L1 --model " + full_ +
                  " --checkpoint " + run_ + tiny_flags());
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.err, " bytes needed)")) << result.err;
  EXPECT_EQ(folder_bytes(run_), before);
}

TEST_F(EarlierRun, NoRunWritesOverItsOwnModel) {
  std::filesystem::remove(run_ + "/checkpoint.h5");
  std::filesystem::remove(run_ + "/checkpoint.prev.h5");
  const auto own = "--model " + run_ + "/best_float.h5";
  expect_refused("convert", own, "reads the model and would write over it");
  expect_refused("bsq_train", own + " --L1", "would write over it");
  expect_refused("bsq_train", own + " --L1 --overwrite", "would write over it");
}

TEST_F(EarlierRun, NoRunWritesOverItsTeacher) {
  const auto teacher = run_ + "/best_float.h5";
  const auto taught = "--overwrite --model " + full_ + " --teacher " + teacher;
  const std::string why = teacher + ": this run reads the model and would write over it";
  expect_refused("bsq_train", taught, why);
  expect_refused("finetune", "--bits 4 " + taught, why);
  expect_refused("finetune", "--resume --override-resume teacher --teacher " + teacher, why);
  expect_refused("finetune", taught + " --export-pth " + teacher,
                 "--export-pth would write over " + teacher + ", which is read");
}

TEST_F(EarlierRun, NoRunRemovesTheSnapshotThatItStartsFrom) {
  const auto snapshot = run_ + "/snapshots/epoch-1.h5";
  std::filesystem::create_directory(run_ + "/snapshots");
  std::filesystem::copy_file(full_, snapshot);
  expect_refused("bsq_train", "--overwrite --model " + snapshot, "would write over it");
  EXPECT_TRUE(std::filesystem::exists(snapshot));
}

}  // namespace
}  // namespace bsq::test
