#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/tools/tool_runs.h"
#include "tools/cli/conversion.h"
#include "tools/cli/usage_error.h"

namespace bsq::test {
namespace {

using cli::parse_layer_bits;
using cli::UsageError;

const std::string kFlags = " --Nbits 8 --layer-bits 'conv1=7,layer1.*=6,layer1.0.conv2=5' --keep-float fc ";

std::string full() { return tiny_runs().full().file("model_best.h5"); }

// The widths that describe tells of the weights: layer name to bits.
std::map<std::string, int64_t> widths_in(const std::string& file) {
  std::map<std::string, int64_t> widths;
  const auto description = described(file);
  for (const auto& tensor : description["tensors"]) {
    widths[tensor["name"]] = tensor["bits"];
  }
  return widths;
}

TEST(LayerFlags, AreParsed) {
  const std::vector<LayerRule> rules = {{"conv1", 8}, {"layer1.*", 16}, {"a=b", 1}};
  EXPECT_EQ(parse_layer_bits({"conv1=8", "layer1.*=16", "a=b=1"}), rules);
  EXPECT_TRUE(parse_layer_bits({}).empty());
}

TEST(LayerFlags, MalformedOnesAreRefused) {
  for (const std::string text : {"conv1=", "conv1", "=4", "conv1=0", "conv1=17", "conv1=-3", "conv1=4x", "",
                                 "conv1= 4", "conv1=99999999999999999999", "conv1=4.0", "conv1=+4"}) {
    EXPECT_THROW(parse_layer_bits({text}), UsageError) << text;
  }
}

TEST(LayerFlags, ConvertGivesEveryLayerItsWidth) {
  TemporaryFolder folder;
  run_tiny("convert", "--model " + full() + kFlags + "--checkpoint " + folder.file("out"));
  const auto file = folder.file("out/model_best.h5");
  const auto widths = widths_in(file);
  EXPECT_EQ(widths.at("conv1.weight"), 7);
  EXPECT_EQ(widths.at("layer1.0.conv1.weight"), 6);
  EXPECT_EQ(widths.at("layer1.0.conv2.weight"), 5);
  EXPECT_EQ(widths.at("layer2.0.conv1.weight"), 8);
  EXPECT_EQ(widths.count("fc.weight"), 0U);
  // Another float model in that scheme.
  run_tiny("convert", "--model " + full() + " --dict " + file + " --checkpoint " + folder.file("again"));
  EXPECT_EQ(widths_in(folder.file("again/model_best.h5")), widths);
}

TEST(LayerFlags, ARunFromAFloatFileGoesTheWholeWay) {
  TemporaryFolder folder;
  const std::string rates = " --lr 0.05 --schedule 10 ";
  const auto bsq = folder.file("bsq");
  run_tiny("bsq_train", "--model " + full() + kFlags + rates +
                            "--L1 --decay 4 --Prun_Int 1 --epochs 1 --checkpoint " + bsq);
  run_tiny("bsq_train", "--resume --epochs 2 --checkpoint " + bsq);
  const auto straight = folder.file("straight");
  run_tiny("bsq_train", "--model " + full() + kFlags + rates +
                            "--L1 --decay 4 --Prun_Int 1 --epochs 2 --checkpoint " + straight);
  expect_same_checkpoint(bsq + "/checkpoint.h5", straight + "/checkpoint.h5");
  const auto widths = widths_in(bsq + "/checkpoint.h5");
  EXPECT_EQ(widths.count("fc.weight"), 0U);
  EXPECT_LE(widths.at("layer1.0.conv2.weight"), 6);

  const auto tuned = folder.file("tuned");
  const auto out = run_tiny(
      "finetune", "--bin --epochs 1 --lr 0.01 --model " + bsq + "/checkpoint.h5 --checkpoint " + tuned);
  EXPECT_EQ(widths_in(tuned + "/best_bin.h5").count("fc.weight"), 0U);
  const auto best = correct_count(out, "best:");
  EXPECT_EQ(evaluated_count(tuned + "/best_bin.h5"), best);
  EXPECT_EQ(evaluated_count(tuned + "/best_float.h5"), best);
}

TEST(LayerFlags, FinetuneConvertsAFloatFile) {
  const auto out = run_tiny("finetune", "--evaluate --model " + full() + kFlags);
  EXPECT_NE(out.find("layer1.0.conv2.weight"), std::string::npos);
  EXPECT_EQ(out.find("fc.weight"), std::string::npos);
}

TEST(LayerFlags, WhatDoesNotFitIsOneLineAndWritesNothing) {
  TemporaryFolder folder;
  const auto out = folder.file("out");
  const auto refused = [&](const std::string& tool, const std::string& arguments, const std::string& word) {
    const auto result = run_tool(tool, arguments + tiny_flags() + " --checkpoint " + out);
    EXPECT_EQ(result.status, 2) << arguments;
    EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_FALSE(std::filesystem::exists(out)) << arguments;
  };
  const auto eight_bits = tiny_runs().eight_bits().file("model_best.h5");
  for (const std::string tool : {"convert", "bsq_train", "finetune"}) {
    refused(tool, "--model " + full() + " --layer-bits conv1=", "--layer-bits conv1=: expected PATTERN=BITS");
    refused(tool, "--model " + full() + " --layer-bits nosuch=4",
            "'nosuch': matches no layer; the layers are conv1,");
    refused(tool, "--model " + full() + " --keep-float nosuch", "'nosuch'");
    refused(tool, "--model " + full() + " --layer-bits conv1=4,conv1=5", "twice");
    refused(tool, "--model " + full() + " --keep-float '*'", "no layer is left");
  }
  refused("bsq_train", "--model " + full() + " --layer-bits conv1=9", "--max-bits, 8");
  refused("bsq_train", "--float --keep-float fc", "--float");
  refused("bsq_train", "--model " + eight_bits + " --layer-bits conv1=4", "holds bits");
  refused("finetune", "--model " + eight_bits + " --keep-float fc", "holds bits");
  refused("convert", "--model " + full() + " --dict " + eight_bits + " --keep-float fc", "--dict");
}

TEST(LayerFlags, AResumedRunKeepsThem) {
  TemporaryFolder folder;
  const auto out = folder.file("out");
  run_tiny("bsq_train", "--model " + full() + kFlags + "--epochs 1 --lr 0.05 --checkpoint " + out);
  const auto result =
      run_tool("bsq_train", "--resume --epochs 2 --keep-float conv1 --checkpoint " + out + tiny_flags());
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("keep-float = conv1 contradicts keep-float = fc"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace bsq::test
