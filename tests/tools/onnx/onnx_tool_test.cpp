#include <gtest/gtest.h>
#include <torch/utils.h>

#include <filesystem>

#include "bsq/data/cifar.h"
#include "bsq/data/loader.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"
#include "tests/tools/onnx/onnx_jobs.h"
#include "tests/tools/tool_runs.h"
#include "tools/export/export_options.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

std::string shipped(const std::string& name) {
  return BSQ_SOURCE "/checkpoints/resnet20-cifar10-" + name + ".h5";
}

CommandResult run_export(const std::string& arguments) { return run_tool("bsq_export", arguments); }

void expect_refused(const std::string& arguments, int status, const std::string& part) {
  const auto result = run_export(arguments);
  EXPECT_EQ(result.status, status) << arguments;
  EXPECT_TRUE(holds(result.err, part)) << result.err;
}

void expect_wrong_call(std::vector<const char*> words, const std::string& part) {
  words.insert(words.begin(), "bsq_export");
  try {
    cli::parse_export_options(static_cast<int>(words.size()), words.data());
    ADD_FAILURE() << "taken; expected: " << part;
  } catch (const OptionError& error) {
    EXPECT_TRUE(holds(error.what(), part)) << error.what();
  }
}

TEST(ExportTool, WrongCallsAreToldApart) {
  expect_wrong_call({"--to", "onnx", "--out", "a"}, "no model named");
  expect_wrong_call({"m", "n", "--to", "onnx", "--out", "a"}, "a second model");
  expect_wrong_call({"m", "--out", "a"}, "--to FORMAT is missing");
  expect_wrong_call({"m", "--to", "onnx"}, "--out FILE is missing");
  expect_wrong_call({"m", "--to", "tflite", "--out", "a"}, "tflite");
  expect_wrong_call({"m", "--to", "safetensors", "--out", "a.pth"}, "ends in .safetensors");
  expect_wrong_call({"m", "--to", "onnx", "--out", "a.safetensors"}, "expected another for --to onnx");
  expect_wrong_call({"m", "--to", "onnx", "--opset", "12", "--out", "a"}, "13");
  expect_wrong_call({"m", "--to", "pth", "--opset", "17", "--out", "a"}, "needs --to onnx or qonnx");
  expect_wrong_call({"m", "--to", "qonnx", "--int8", "--out", "a"}, "needs --to onnx");
  expect_wrong_call({"m", "--to", "onnx", "--images", "9", "--out", "a"}, "needs --int8");
  expect_refused("--to onnx --out a", 2, "no model named");
}

TEST(ExportTool, WhatCannotBeExportedWritesNothing) {
  const TemporaryFolder folder;
  const auto out = folder.file("a.onnx");
  expect_refused(shipped("8bit") + " --to onnx --out " + out, 1, "conv1.weight: integers from -");
  expect_refused("missing.h5 --to onnx --out " + out, 1, "missing.h5");
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ExportTool, AnEarlierFileGoesOnlyWithOverwrite) {
  const TemporaryFolder folder;
  const auto call = shipped("fixed-4") + " --to onnx --out " + folder.file("a.onnx");
  ASSERT_EQ(run_export(call).status, 0);
  const auto bytes = read_bytes(folder.file("a.onnx"));
  expect_refused(call, 1, "is there already");
  EXPECT_EQ(run_export(call + " --overwrite").status, 0);
  EXPECT_TRUE(read_bytes(folder.file("a.onnx")) == bytes);
  write_bytes(folder.file("a.onnx"), "a letter");
  expect_refused(call + " --overwrite", 1, "no ONNX file");
  EXPECT_EQ(read_bytes(folder.file("a.onnx")), "a letter");
}

TEST(ExportTool, PyTorchAndSafetensorsFilesComeBack) {
  const TemporaryFolder folder;
  const auto model = shipped("fixed-2");
  for (const std::string format : {"pth", "safetensors"}) {
    const auto file = folder.file("a." + format);
    ASSERT_EQ(run_export(model + " --to " + format + " --out " + file).status, 0);
    EXPECT_EQ(evaluated_count(file), evaluated_count(model));
  }
}

// Trained by the programs, for an epoch.
std::string trained(const TemporaryFolder& folder, const std::string& name, const std::string& arguments) {
  run_tiny("bsq_train", arguments + " --epochs 1 --lr 0.02 --schedule 10 --out " + folder.file(name));
  return folder.file(name + "/model_best.h5");
}

torch::Tensor test_images() {
  const auto set = load_cifar10(tiny_data()).test;
  LoaderOptions options;
  options.batch_size = set.size();
  BatchLoader loader(set, options);
  loader.start(/*epoch=*/0);
  return loader.next()->images;
}

torch::Tensor logits_of(const std::string& path, const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  const auto file = read_checkpoint(path);
  const auto network = make_network(file.description);
  load_network(*network, file.network);
  network->eval();
  return network->forward(images);
}

TEST(ExportTool, TrainedModelsGiveTheSameClassesElsewhere) {
  if (!has_onnx_python()) {
    GTEST_SKIP() << "no Python with onnx, onnxruntime and qonnx at '" BSQ_PYTHON "'";
  }
  register_methods();
  const TemporaryFolder folder;
  OnnxJobs jobs;
  std::map<std::string, std::string> files;
  const auto add = [&](const std::string& name, const std::string& file, const std::string& arguments) {
    files[name] = file;
    const auto result = run_export(file + " --out " + jobs.file(name) + " " + arguments);
    ASSERT_EQ(result.status, 0) << result.err;
  };
  const auto full = trained(folder, "full", "--float --depth 8");
  const auto sawb = trained(folder, "sawb", "--method sawb --bits 4 --act 4 --pact-alpha 4 --model " + full);
  add("sawb", sawb, "--to onnx");
  add("sawb-qonnx", sawb, "--to qonnx");
  add("sawb-int8", sawb, "--to onnx --int8 --images 50 --data " + tiny_data());
  const auto wide = trained(folder, "wide", "-a mobilenet_v1 --multiplier 0.1 --float");
  run_tiny("convert", "--bits 7 --act 8 --model " + wide + " --out " + folder.file("mobilenet"));
  const auto mobile = folder.file("mobilenet/model_best.h5");
  add("mobilenet", mobile, "--to onnx");
  add("float", full, "--to onnx");
  const auto images = test_images();
  for (const auto& [name, result] : jobs.run(images)) {
    if (name == "sawb-int8") {  // rounded, so only its form is told
      EXPECT_EQ(result.kinds.value("QLinearConv", 0), 9) << result.kinds;
      EXPECT_EQ(result.kinds.count("Conv") + result.kinds.count("FusedConv"), 0U) << result.kinds;
      continue;
    }
    const auto ours = logits_of(files[name], images);
    EXPECT_GT(ours.std(/*dim=*/0).max().item<double>(), 1e-3) << name << ": the images make no difference";
    const auto difference = disagreement(ours.slice(/*dim=*/0, 0, result.logits.size(0)), result.logits);
    EXPECT_LT(difference.median, 1e-4) << name << ": " << difference.text();
    EXPECT_EQ(difference.classes, 0) << name << ": " << difference.text();
    EXPECT_EQ(result.kinds.count("QLinearConv"), 0U) << name << ": " << result.kinds;
    RecordProperty(name, difference.text() + " " + result.kinds.dump());
  }
}

}  // namespace
}  // namespace bsq::test
