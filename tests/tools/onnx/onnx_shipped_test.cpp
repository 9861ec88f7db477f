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

namespace bsq::test {
namespace {

const std::string kModels = BSQ_SOURCE "/checkpoints/resnet20-cifar10-";

struct Images {
  torch::Tensor images, labels;
};

Images all_of(const ImageDataset& set, const Normalization& normalization) {
  LoaderOptions options;
  options.batch_size = set.size();
  options.normalization = normalization;
  BatchLoader loader(set, options);
  loader.start(/*epoch=*/0);
  const auto batch = loader.next();
  return {batch->images, batch->labels};
}

torch::Tensor logits_of(const Checkpoint& file, const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  const auto network = make_network(file.description);
  load_network(*network, file.network);
  network->eval();
  return network->forward(images);
}

int64_t correct(const torch::Tensor& logits, const torch::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<int64_t>();
}

// Every class of 1,000 exact images is ours, of QONNX that of the first 200, except in the form that rounds.
TEST(OnnxShipped, OnnxruntimeAndQonnxGiveOurClasses) {
  if (!has_onnx_python()) {
    GTEST_SKIP() << "no Python with onnx, onnxruntime and qonnx at '" BSQ_PYTHON "'";
  }
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no folder of shared data";
  }
  register_methods();
  OnnxJobs jobs;
  std::map<std::string, std::string> files;
  const auto add = [&](const std::string& name, const std::string& model, const std::string& arguments) {
    files[name] = kModels + model + ".h5";
    const auto result = run_tool("bsq_export", files[name] + " --out " + jobs.file(name) + " " + arguments);
    ASSERT_EQ(result.status, 0) << result.err;
  };
  add("fixed", "fixed-3", "--to onnx");
  const auto exact_data = shared_folder() + "/data/cifar10-exact";
  add("fixed-int8", "fixed-3", "--to onnx --int8 --images 32 --data " + exact_data);
  add("mixed", "alpha-0.09103", "--to onnx --opset 21");
  add("mixed-qonnx", "alpha-0.09103", "--to qonnx");
  const auto data = load_cifar10(exact_data);
  const auto test = all_of(data.test, Normalization());
  ASSERT_EQ(test.images.size(0), 1000);
  std::map<std::string, torch::Tensor> by_file;
  for (const auto& [name, result] : jobs.run(test.images)) {
    const auto file = read_checkpoint(files[name]);
    auto& ours = by_file[files[name]];
    ours = ours.defined() ? ours : logits_of(file, test.images);
    const auto difference = disagreement(ours.slice(/*dim=*/0, 0, result.logits.size(0)), result.logits);
    RecordProperty(name, difference.text());
    if (name == "fixed-int8") {  // rounded; the two shortcuts have float weights
      EXPECT_EQ(result.kinds.value("QLinearConv", 0), 19) << result.kinds;
      EXPECT_EQ(result.kinds.value("Conv", 0) + result.kinds.value("FusedConv", 0), 2) << result.kinds;
      EXPECT_LT(difference.classes, 70) << difference.text();
      EXPECT_NEAR(correct(ours, test.labels), correct(result.logits, test.labels), 25);
      continue;
    }
    EXPECT_EQ(difference.classes, 0) << name << ": " << difference.text();
    EXPECT_LT(difference.median, 1e-5) << name << ": " << difference.text();
    EXPECT_DOUBLE_EQ(nlohmann::json::parse(result.metadata["comp_stored"].get<std::string>()).get<double>(),
                     file.comp_stored);
    EXPECT_EQ(nlohmann::json::parse(result.metadata["class_names"].get<std::string>()).size(), 10U);
  }
}

}  // namespace
}  // namespace bsq::test
