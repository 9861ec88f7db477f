#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// Whatever a flag names as output is held against what is there before anything runs.
class OutputFiles : public testing::Test {
 protected:
  void SetUp() override { fs::copy_file(BSQ_SOURCE "/tests/cases/00-base/plain.pth", plain_); }

  void expect_refused(const std::string& tool, const std::string& arguments, const std::string& part) {
    auto before = folder_bytes(folder_.path().string());
    const auto result = run_tool(tool, arguments + tiny_flags());
    EXPECT_EQ(result.status, 1) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_TRUE(holds(result.err, part)) << result.err;
    auto after = folder_bytes(folder_.path().string());
    // Made before a run is refused.
    for (auto* files : {&before, &after}) {
      files->erase(folder_.file("out"));
      files->erase(folder_.file("out/run.lock"));
    }
    EXPECT_TRUE(after == before) << arguments;
  }

  // Of both programs that export.
  void expect_export_refused(const std::string& file, const std::string& part) {
    const auto flags = "--depth 8 --act 0 --bits 2 --model " + plain_ + " --out " + folder_.file("out") +
                       " --export-pth " + file;
    expect_refused("convert", flags, part);
    expect_refused("finetune", flags, part);
  }

  TemporaryFolder folder_;
  std::string plain_ = folder_.file("plain.pth");
};

TEST_F(OutputFiles, AnExportIsNoInput) {
  expect_export_refused(plain_, "would write over " + plain_ + ", which is read");
  expect_export_refused(plain_ + " --overwrite", "which is read");
  fs::create_symlink(plain_, folder_.file("link.pth"));
  expect_export_refused(folder_.file("link.pth"), "which is read");
  fs::create_hard_link(plain_, folder_.file("hard.pth"));
  expect_export_refused(folder_.file("hard.pth"), "which is read");
}

TEST_F(OutputFiles, AnExportIsNoFileOfTheRun) {
  for (const char* name : {"model_best.h5", "checkpoint.h5", "log.txt", "config.cfg", "run.lock"}) {
    expect_export_refused(folder_.file("out/../out/") + name, "");
  }
  fs::create_directory(folder_.file("out"));
  expect_export_refused(folder_.file("out/model_best.h5"), "the run itself writes");
}

TEST_F(OutputFiles, AnExportWritesOverNothingElse) {
  expect_export_refused(folder_.path().string(), "no file");
  const auto batch = tiny_data() + "/test_batch.bin";
  const auto before = read_bytes(batch);
  expect_export_refused(batch + " --overwrite", "no PyTorch or .safetensors file");
  EXPECT_EQ(read_bytes(batch), before);
  write_bytes(folder_.file("notes.txt"), "mine\n");
  expect_export_refused(folder_.file("notes.txt") + " --overwrite", "no PyTorch or .safetensors file");
  fs::copy_file(plain_, folder_.file("other.pth"));
  expect_export_refused(folder_.file("other.pth"), "is there already");
}

TEST_F(OutputFiles, AnEarlierExportGoesWhereOverwriteSaysSo) {
  fs::copy_file(plain_, folder_.file("other.pth"));
  run_tiny("finetune", "--evaluate --depth 8 --act 0 --model " + plain_ + " --overwrite --export-pth " +
                           folder_.file("other.pth"));
  EXPECT_NE(read_bytes(folder_.file("other.pth")), read_bytes(plain_));
}

TEST_F(OutputFiles, FoldersWithModelsAreNotWrittenOverUnasked) {
  const auto flags = "--depth 8 --act 0 --model " + plain_ + " --out " + folder_.file("models");
  fs::create_directory(folder_.file("models"));
  for (const char* name : {"model_best.h5", "best_bin.h5", "best_float.h5"}) {
    const auto file = folder_.file(std::string("models/") + name);
    fs::copy_file(tiny_runs().eight_bits().file("model_best.h5"), file);
    for (const char* tool : {"bsq_train", "convert", "finetune"}) {
      expect_refused(tool, flags, std::string("holds ") + name);
    }
    fs::remove(file);
  }
}

TEST_F(OutputFiles, FilesThatNoRunHasMadeStay) {
  const auto flags = "--overwrite --depth 8 --act 0 --model " + plain_ + " --out " + folder_.file("mine");
  fs::create_directory(folder_.file("mine"));
  write_bytes(folder_.file("mine/log.txt"), "what I did today\n");
  fs::copy_file(plain_, folder_.file("mine/best_float.h5"));
  fs::create_directory(folder_.file("mine/model_best.h5"));
  for (const char* name : {"model_best.h5", "best_float.h5", "log.txt"}) {
    for (const char* tool : {"bsq_train", "convert", "finetune"}) {
      expect_refused(tool, flags, std::string("mine/") + name);
    }
    fs::remove(folder_.file(std::string("mine/") + name));
  }
}

TEST_F(OutputFiles, ASchemeFileIsAnInputToo) {
  const auto scheme = folder_.file("scheme");
  fs::create_directory(scheme);
  fs::copy_file(tiny_runs().eight_bits().file("model_best.h5"), scheme + "/model_best.h5");
  expect_refused("convert",
                 "--overwrite --depth 8 --act 0 --model " + plain_ + " --dict " + scheme +
                     "/model_best.h5 --out " + scheme,
                 "would write over");
}

}  // namespace
}  // namespace bsq::test
