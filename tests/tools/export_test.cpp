#include <gtest/gtest.h>

#include "bsq/io/pytorch/pytorch_reader.h"
#include "bsq/io/pytorch/pytorch_writer.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// What an export has to come back with: bits, ranges and network, without a flag.
void expect_same_model(const std::string& file, const std::string& model) {
  const auto evaluated = run_tiny("finetune", "--evaluate --model " + file);
  EXPECT_FALSE(holds(evaluated, "calibrated")) << evaluated;
  EXPECT_EQ(evaluated, run_tiny("finetune", "--evaluate --model " + model));
  auto back = described(file);
  auto ours = described(model);
  for (const char* name : {"path", "bytes", "configuration"}) {
    back.erase(name);
    ours.erase(name);
  }
  for (auto* json : {&back, &ours}) {
    auto& tensors = (*json)["float_tensors"];
    std::sort(tensors.begin(), tensors.end());
  }
  EXPECT_TRUE(back == ours) << nlohmann::json::diff(ours, back).dump().substr(0, 500);
}

TEST(Export, ComesBackWithBitsRangesAndNetwork) {
  TemporaryFolder folder;
  for (const char* name : {"export.pth", "export.safetensors"}) {
    const auto file = folder.file(name);
    run_tiny("convert", "--bits 3 --layer-bits conv1=5 --keep-float fc --model " +
                            tiny_runs().full().file("model_best.h5") + " --export-pth " + file + " --out " +
                            folder.file(std::string("run-") + name));
    expect_same_model(file, folder.file(std::string("run-") + name + "/model_best.h5"));
  }
  expect_same_model(tiny_runs().exported(), tiny_runs().finetuned().file("best_bin.h5"));
}

TEST(Export, AFloatModelComesBack) {
  TemporaryFolder folder;
  const auto model = tiny_runs().full().file("model_best.h5");
  for (const char* name : {"export.pth", "export.safetensors"}) {
    run_tiny("finetune", "--evaluate --model " + model + " --export-pth " + folder.file(name));
    expect_same_model(folder.file(name), model);
  }
}

TEST(Export, AFileWhoseWeightsWereChangedIsRefused) {
  TemporaryFolder folder;
  auto file = read_pytorch(tiny_runs().exported());
  ASSERT_TRUE(file.extras);
  for (auto& [name, tensor] : file.state) {
    if (name == "conv1.weight") {
      tensor += 0.01;
    }
  }
  write_pytorch(folder.file("changed.pth"), file);
  const auto result = run_tool("finetune", "--evaluate --model " + folder.file("changed.pth") + tiny_flags());
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(holds(result.err, "conv1.weight: not the values of the bits")) << result.err;
}

TEST(Export, AnEvaluationWritesWhatItEvaluated) {
  TemporaryFolder folder;
  for (const auto& model :
       {tiny_runs().bsq().file("checkpoint.h5"), tiny_runs().full().file("model_best.h5")}) {
    const auto file = folder.file("export.pth");
    EXPECT_NE(evaluated_count(model, "--overwrite --export-pth " + file), "");
    EXPECT_EQ(described(file)["top1"], described(model)["top1"]);
  }
}

TEST(Export, RangesThatTheFileLacksAreCalibratedAndSaidSo) {
  TemporaryFolder folder;
  auto file = read_pytorch(tiny_runs().exported());
  file.extras.reset();
  write_pytorch(folder.file("plain.pth"), file);
  const auto out = run_tiny("finetune", "--evaluate --depth 8 --model " + folder.file("plain.pth"));
  EXPECT_TRUE(holds(out, "\nactivation ranges: none stored; calibrated on 8 training batches\n")) << out;
}

}  // namespace
}  // namespace bsq::test
