#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <tuple>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string text_of(const std::string& arguments) {
  const auto result = run_tool("describe", arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(Describe, TellsTheKindsApart) {
  const auto& runs = tiny_runs();
  EXPECT_EQ(described(runs.full().file("model_best.h5"))["method"], "float");
  EXPECT_EQ(described(runs.bsq().file("checkpoint.h5"))["method"], "bsq");
  EXPECT_EQ(described(runs.finetuned().file("checkpoint.h5"))["method"], "frozen");
  EXPECT_EQ(described(runs.finetuned().file("best_bin.h5"))["method"], "frozen");
  EXPECT_EQ(described(runs.finetuned().file("best_float.h5"))["method"], "float");
}

TEST(Describe, JsonHoldsTheNetworkAndItsTensors) {
  const auto json = described(tiny_runs().bsq().file("model_best.h5"));
  EXPECT_EQ(json["network"]["architecture"], "resnet");
  EXPECT_EQ(json["network"]["options"]["depth"], "8");
  EXPECT_EQ(json["network"]["classes"], 10);
  EXPECT_EQ(json["network"]["activation_range"], "running");
  EXPECT_EQ(json["dataset"], "cifar10");
  EXPECT_FALSE(json["resumable"]);
  ASSERT_EQ(json["tensors"].size(), 9U);
  EXPECT_EQ(json["tensors"][0]["name"], "conv1.weight");
  EXPECT_EQ(json["tensors"][0]["shape"], (std::vector<int64_t>{16, 3, 3, 3}));
  EXPECT_EQ(json["tensors"][0]["encoding"], "planes");
  EXPECT_TRUE(holds(json["configuration"], "adjust-every = 1\n")) << json["configuration"];
}

TEST(Describe, JsonAgreesWithTheRun) {
  const auto& run = tiny_runs().bsq();
  const auto json = described(run.file("checkpoint.h5"));
  EXPECT_TRUE(json["resumable"]);
  EXPECT_EQ(json["epoch"], 2);
  EXPECT_EQ(json["bytes"], std::filesystem::file_size(run.file("checkpoint.h5")));
  EXPECT_EQ(correct_count(run.out, "final:"), std::to_string(json["top1"].get<int>()) + " of 100");
}

TEST(Describe, TextNamesWhatMatters) {
  const auto text = text_of(tiny_runs().bsq().file("checkpoint.h5"));
  EXPECT_TRUE(holds(text, "method: bsq\n")) << text;
  EXPECT_TRUE(holds(
      text,
      "network: resnet, block-name BasicBlock, depth 8, quantize-shortcut false, shortcut B, 10 classes"))
      << text;
  EXPECT_TRUE(holds(text, "data set: cifar10\n")) << text;
  EXPECT_TRUE(holds(text, "resumable: at epoch 3\n")) << text;
  EXPECT_TRUE(holds(text, "layer3.0.conv2.weight")) << text;
}

TEST(Describe, BriefIsOneLineAFile) {
  const auto& runs = tiny_runs();
  const auto text =
      text_of("--brief " + runs.full().file("model_best.h5") + " " + runs.finetuned().file("best_bin.h5"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_EQ(text.find("float  top-1 "), 0U) << text;
  EXPECT_TRUE(holds(text, "\nfrozen top-1 ")) << text;
}

TEST(Describe, SeveralFilesAreAnArray) {
  const auto& runs = tiny_runs();
  const auto json = nlohmann::json::parse(
      text_of("--json " + runs.full().file("model_best.h5") + " " + runs.bsq().file("checkpoint.h5")));
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["method"], "bsq");
}

TEST(Describe, ReadsAPyTorchFile) {
  const std::string file = BSQ_SOURCE "/tests/cases/00-base/plain.pth";
  const auto json = described(file);
  EXPECT_EQ(json["method"], "float");
  EXPECT_FALSE(json.contains("network"));
  EXPECT_FALSE(json.contains("fault"));
  EXPECT_GT(json["float_elements"], 74810);
  EXPECT_EQ(json["float_tensors"][0],
            nlohmann::json({{"name", "conv1.weight"}, {"shape", {16, 3, 3, 3}}, {"type", "float32"}}));
  const auto text = text_of(file);
  EXPECT_TRUE(holds(text, "not said in a PyTorch file")) << text;
  EXPECT_TRUE(holds(text, "\nconv1.weight                16x3x3x3      float32\n")) << text;
}

TEST(Describe, ListsTheTensorsOfAFileThatIsNoNetwork) {
  const auto json = described(BSQ_SOURCE "/tests/cases/01-frozen-without-widths/no-dict.pth");
  EXPECT_TRUE(holds(json["fault"], "conv1.weight: its bit width is not known")) << json["fault"];
  EXPECT_GT(json["float_tensors"].size(), 20U);
}

TEST(Describe, RefusesWhatItCannotRead) {
  TemporaryFolder folder;
  write_bytes(folder.file("text.h5"), "not a model\n");
  for (const auto& [arguments, status] : {std::pair{std::string("--json ") + folder.file("missing.h5"), 1},
                                          {folder.file("text.h5"), 1},
                                          {"", 2},
                                          {"--yaml x", 2}}) {
    const auto result = run_tool("describe", arguments);
    EXPECT_EQ(result.status, status) << arguments;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
}

TEST(Describe, ListsANetworkWithoutAFile) {
  const auto json = nlohmann::json::parse(text_of("-a resnet --depth 20 --json"));
  EXPECT_EQ(json["parameters"], 272474);
  EXPECT_EQ(json["macs"], 40813184);
  EXPECT_EQ(json["options"]["depth"], "20");
  EXPECT_EQ(json["layers"][0], (nlohmann::json{{"path", "conv1"},
                                               {"kind", "conv"},
                                               {"output", {16, 32, 32}},
                                               {"parameters", 432},
                                               {"macs", 442368}}));
  const auto text = text_of("-a vgg --depth 11 --classes 100");
  EXPECT_TRUE(holds(text, "network: vgg, depth 11, 100 classes\n")) << text;
  EXPECT_TRUE(holds(text, "parameters 9277284, MACs ")) << text;
  EXPECT_EQ(text_of("-a alexnet --brief").rfind("alexnet, 10 classes: 2472266 parameters, ", 0), 0U);
}

TEST(Describe, MeasuresLatencyWhereItIsAsked) {
  const auto& run = tiny_runs().finetuned();
  const auto file = run.file("best_bin.h5");
  EXPECT_FALSE(described(file).contains("latency_ms"));
  for (const auto& path : {file, run.folder}) {
    const auto json = nlohmann::json::parse(text_of("--json --latency " + path));
    EXPECT_GT(json["latency_ms"].get<double>(), 0) << path;
    const auto text = text_of("--latency " + path);
    EXPECT_TRUE(std::regex_search(
        text, std::regex(R"(\nlatency: [0-9]+\.[0-9]{3} ms \(one image, one thread, median of 100, )")))
        << text;
  }
  const auto brief = text_of("--brief --latency " + file);
  EXPECT_TRUE(std::regex_search(brief, std::regex(" bytes  [0-9.]+ ms  /"))) << brief;
}

TEST(Describe, SaysWhyLatencyCannotBeMeasured) {
  const auto in_planes = tiny_runs().bsq().file("model_best.h5");
  const std::string of_pytorch = BSQ_SOURCE "/tests/cases/00-base/plain.pth";
  for (const auto& [arguments, status, words] :
       {std::tuple{in_planes, 1, std::string("expected codes, as in best_bin.h5")},
        {of_pytorch, 1, "plain.pth: "},
        {"-a resnet", 2, "--latency: cannot go with -a NAME"}}) {
    const auto result = run_tool("describe", "--latency " + arguments);
    EXPECT_EQ(result.status, status) << arguments;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_TRUE(holds(result.err, words)) << result.err;
  }
}

TEST(Describe, RefusesANetworkBesideAFile) {
  const auto file = tiny_runs().bsq().file("checkpoint.h5");
  for (const auto& [arguments, words] :
       std::map<std::string, std::string>{{"-a resnet " + file, "-a resnet: cannot go with "},
                                          {"--depth 20 " + file, "--depth: needs -a NAME"},
                                          {"--classes 7 " + file, "--classes: needs -a NAME"},
                                          {"-a resnet --depth 21", "depth 21"}}) {
    const auto result = run_tool("describe", arguments);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_TRUE(holds(result.err, words)) << result.err;
  }
}

}  // namespace
}  // namespace bsq::test
