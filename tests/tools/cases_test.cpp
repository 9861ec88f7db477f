#include <gtest/gtest.h>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

std::string case_file(const std::string& name) { return BSQ_SOURCE "/tests/cases/" + name + ".pth"; }

CommandResult evaluate_case(const std::string& tool, const std::string& name, const std::string& more = "") {
  return run_tool(tool,
                  "--evaluate --depth 8 --act 0 --model " + case_file(name) + " " + more + tiny_flags());
}

// The only line of a refusal, without the program and the file.
std::string refusal_of(const std::string& tool, const std::string& name) {
  const auto result = evaluate_case(tool, name);
  EXPECT_EQ(result.status, 1) << name;
  EXPECT_EQ(result.out, "") << name;
  const auto start = tool + ": " + case_file(name) + ": ";
  EXPECT_EQ(result.err.rfind(start, 0), 0U) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  return result.err.substr(std::min(start.size(), result.err.size()));
}

TEST(Cases, FrozenTensorsWithoutBitWidthsAreRefusedByName) {
  for (const auto& [file, layer] :
       std::vector<std::pair<std::string, std::string>>{{"no-dict", "conv1"},
                                                        {"one-missing", "layer3.0.conv2"},
                                                        {"other-names", "conv1"},
                                                        {"other-quantizer-scale", "conv1"}}) {
    EXPECT_EQ(refusal_of("finetune", "01-frozen-without-widths/" + file),
              layer + ".weight: its bit width is not known: " + layer +
                  ".scale is in the file, but no entry '" + layer + "' of an Nbit_dict\n");
  }
  const auto right = evaluate_case("finetune", "01-frozen-without-widths/right");
  EXPECT_EQ(right.status, 0) << right.err;
  EXPECT_TRUE(holds(right.out, "comp 4.00")) << right.out;
}

TEST(Cases, IntegersAsWeightsAreRefusedByNameAndType) {
  for (const auto& [file, tensor] :
       std::vector<std::pair<std::string, std::string>>{{"bool", "layer1.0.conv1.weight: bool"},
                                                        {"int8", "conv1.weight: int8"},
                                                        {"int64", "layer1.0.conv1.weight: int64"},
                                                        {"uint8-running-var", "bn1.running_var: uint8"}}) {
    const auto message = refusal_of("bsq_train", "02-integers-as-weights/" + file);
    EXPECT_EQ(message, tensor + ", expected floating point\n");
  }
}

std::string start_line(const CommandResult& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  const auto line = result.out.find("start: ");
  return line == std::string::npos ? "" : result.out.substr(line, result.out.find('\n', line) - line);
}

TEST(Cases, FilesOfEverydayTrainingGiveTheLossOfThePlainOne) {
  const auto plain = start_line(evaluate_case("bsq_train", "00-base/plain"));
  ASSERT_NE(plain, "");
  for (const char* file : {"args-namespace", "defaultdict", "lightning", "model_state_dict", "multisteplr",
                           "set", "torch-compile"}) {
    EXPECT_EQ(start_line(evaluate_case("bsq_train", std::string("04-files-of-everyday-training/") + file)),
              plain)
        << file;
  }
}

TEST(Cases, OtherNamesAreListedAndRenamed) {
  const std::string name = "04-files-of-everyday-training/kuangliu-names";
  EXPECT_EQ(refusal_of("bsq_train", name),
            "layer2.0.downsample.0.weight: missing (and 11 others); the network does not have "
            "layer2.0.shortcut.0.weight, layer2.0.shortcut.1.bias, layer2.0.shortcut.1.running_mean (and 9 "
            "others); "
            "--rename PATTERN=NAME gives tensors other names\n");
  EXPECT_EQ(start_line(evaluate_case("bsq_train", name, "--rename shortcut=downsample,linear=fc")),
            start_line(evaluate_case("bsq_train", "00-base/plain")));
  const auto unused = evaluate_case("bsq_train", name, "--rename shortcut=downsample,linear=fc,head=fc");
  EXPECT_EQ(unused.status, 1);
  EXPECT_TRUE(holds(unused.err, "no tensor has a name that 'head=fc' changes")) << unused.err;
  const auto bad = evaluate_case("bsq_train", name, "--rename shortcut");
  EXPECT_EQ(bad.status, 2);
  EXPECT_TRUE(holds(bad.err, "--rename")) << bad.err;
}

}  // namespace
}  // namespace bsq::test
