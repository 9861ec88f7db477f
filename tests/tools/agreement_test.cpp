#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/tools/tool_runs.h"
#include "tools/report/collection.h"
#include "tools/sweep/result.h"

namespace bsq::cli {
namespace {

namespace fs = std::filesystem;
using test::described;
using test::holds;

using Bits = std::vector<std::pair<std::string, int64_t>>;

Bits bits_of(const RunSummary& run) {
  Bits bits;
  for (const auto& tensor : run.tensors) {
    bits.emplace_back(tensor.name, tensor.bits);
  }
  return bits;
}

Bits bits_in(const nlohmann::json& description) {
  Bits bits;
  for (const auto& tensor : description["tensors"]) {
    bits.emplace_back(tensor["name"], tensor["bits"]);
  }
  return bits;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

PointResult swept(const std::string& folder) {
  Job job;
  job.stages = {{"finetune", folder, {}}};
  job.finished = 1;
  return read_result(job);
}

std::vector<std::string> shipped_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(BSQ_SOURCE "/checkpoints")) {
    if (entry.path().extension() == ".h5") {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A folder in which the file is the model to use of a run of an older version.
std::string folder_with(const test::TemporaryFolder& folder, const std::string& file, bool is_float) {
  const auto run = folder.file("run");
  fs::create_directories(run);
  fs::copy(file, run + (is_float ? "/model_best.h5" : "/best_bin.h5"));
  fs::copy(file, run + "/checkpoint.h5");
  return run;
}

void expect_agreement(const nlohmann::json& json, const std::string& folder) {
  const auto report = collect({folder}).points.at(0);
  const auto sweep = swept(folder);
  EXPECT_EQ(bits_of(report.model()->summary), bits_in(json));
  EXPECT_EQ(sweep.bits, bits_in(json));
  EXPECT_EQ(report.comp(), json["comp"]);
  EXPECT_EQ(sweep.comp, json["comp"]);
  EXPECT_EQ(report.comp_stored(), json["comp_stored"]);
  EXPECT_EQ(sweep.comp_stored, json["comp_stored"]);
}

TEST(Agreement, EveryProgramGivesTheSameBitsOfShippedFiles) {
  const auto files = shipped_files();
  EXPECT_GE(files.size(), 12U);
  std::string list;
  for (const auto& file : files) {
    list += file + " ";
  }
  for (const auto& json : described(list)) {
    const auto file = json["path"].get<std::string>();
    SCOPED_TRACE(file);
    const test::TemporaryFolder folder;
    expect_agreement(json, folder_with(folder, file, json["method"] == "float"));
  }
}

TEST(Agreement, ARunPrintsWhatItsSummarySays) {
  for (const auto* run : {&test::tiny_runs().bsq(), &test::tiny_runs().finetuned()}) {
    SCOPED_TRACE(run->folder);
    const auto summary = read_summary(run->folder);
    expect_agreement(described(run->file(summary.kept.file)), run->folder);
    EXPECT_EQ(summary.status, RunStatus::kDone);
  }
  const auto bsq = read_summary(test::tiny_runs().bsq().folder);
  const auto printed = ", comp " + text_of(bsq.sizes().comp()) + ", comp_stored ";
  const auto& out = test::tiny_runs().bsq().out;
  EXPECT_TRUE(holds(out.substr(out.find("final precision adjustment")), printed)) << out << printed;
}

// Case: a scheme with layers of 0 bits was converted to 1 bit in them, with another comp.
TEST(Agreement, ASchemeWithEmptyLayersKeepsThem) {
  const test::TemporaryFolder folder;
  const std::string shipped = BSQ_SOURCE "/checkpoints/resnet20-cifar10-";
  const auto run = folder.file("converted");
  const auto out = test::run_tiny(
      "convert", "--model " + shipped + "float.h5 --dict " + shipped + "alpha-0.1509.h5 --checkpoint " + run);
  EXPECT_TRUE(holds(out, ", comp 36.69, ")) << out;
  const auto json = described(run + "/model_best.h5");
  EXPECT_EQ(text_of(json["comp"]), "36.69");
  const auto scheme = bits_in(described(shipped + "alpha-0.1509.h5"));
  EXPECT_EQ(bits_in(json), scheme);
  EXPECT_EQ(
      std::count_if(scheme.begin(), scheme.end(), [](const auto& tensor) { return tensor.second == 0; }), 4);
  EXPECT_EQ(bits_of(read_summary(run)), scheme);
  EXPECT_EQ(bits_of(collect({run}).points.at(0).model()->summary), scheme);
  const auto evaluated = test::run_tiny("finetune", "--evaluate --bin --model " + run + "/model_best.h5");
  EXPECT_TRUE(holds(evaluated, ", comp 36.69, ")) << evaluated;
}

}  // namespace
}  // namespace bsq::cli
