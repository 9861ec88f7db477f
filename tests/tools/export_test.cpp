#include <gtest/gtest.h>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// The ranges of activations are ours alone and are not in the file: here they are those of the batch.
TEST(Export, ConvertReadsItsOwnExportBackToTheSameTop1) {
  TemporaryFolder folder;
  run_tiny("bsq_train",
           "--float --depth 8 --act-range batch --epochs 2 --lr 0.05 --checkpoint " + folder.file("full"));
  const auto file = folder.file("export.pth");
  const auto out = run_tiny("convert", "--Nbits 4 --model " + folder.file("full/model_best.h5") +
                                           " --export-pth " + file + " --checkpoint " + folder.file("bits"));
  const auto back = run_tiny("convert", "--depth 8 --act-range batch --Nbits 4 --model " + file +
                                            " --checkpoint " + folder.file("back"));
  EXPECT_EQ(correct_count(back, "before:"), correct_count(out, "after:"));
  EXPECT_EQ(evaluated_count(file, "--depth 8 --act-range batch"), correct_count(out, "after:"));
}

TEST(Export, AnEvaluationWritesWhatItEvaluated) {
  TemporaryFolder folder;
  for (const auto& model : {tiny_runs().bsq.file("checkpoint.h5"), tiny_runs().full.file("model_best.h5")}) {
    const auto file = folder.file("export.pth");
    EXPECT_NE(evaluated_count(model, "--export-pth " + file), "");
    EXPECT_EQ(described(file)["top1"], described(model)["top1"]);
  }
}

TEST(Export, RangesThatTheFileLacksAreCalibratedAndSaidSo) {
  const auto out = run_tiny("finetune", "--evaluate --depth 8 --model " + tiny_runs().exported);
  EXPECT_EQ(out.find("activation ranges: none stored; calibrated on 8 training batches\n"), 0U) << out;
}

}  // namespace
}  // namespace bsq::test
