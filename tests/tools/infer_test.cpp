#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

constexpr const char* kPackage = BSQ_SOURCE "/python";

const TemporaryFolder& workshop() {
  static const TemporaryFolder folder;
  return folder;
}

// A model of one tiny epoch.
std::string trained(const std::string& name, const std::string& arguments) {
  const auto folder = workshop().file(name);
  run_tiny("bsq_train", "--epochs 1 --lr 0.05 --out " + folder + " " + arguments);
  return folder + "/final.h5";
}

const std::string& sawb_model() {
  static const auto file = trained("sawb", "--method sawb --bits 4 --act 4 -a resnet --depth 8");
  return file;
}

std::string infer(const std::string& arguments) {
  const auto result = run_tool("infer", arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

std::string refusal(const std::string& arguments, int status) {
  const auto result = run_tool("infer", arguments);
  EXPECT_EQ(result.status, status) << result.out;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  return result.err;
}

int number_in(const std::string& text, const std::string& pattern) {
  std::smatch match;
  const bool found = std::regex_search(text, match, std::regex(pattern));
  EXPECT_TRUE(found) << "no '" << pattern << "' in:\n" << text;
  return found ? std::stoi(match[1]) : -1;
}

// The engine and libtorch give every image of the tiny set its class; one number at the border of two codes
// may turn one image.
void expect_agreement(const std::string& model) {
  const auto out = infer(model + " --threads 1 --compare --data " + tiny_data());
  EXPECT_LE(number_in(out, "another class for ([0-9]+) images"), 1) << out;
  const auto evaluated = evaluated_count(model);
  EXPECT_NEAR(number_in(out, R"(top-1 [0-9.]+ % \(([0-9]+) of)"), std::stoi(evaluated), 1);
  EXPECT_TRUE(holds(out, "images: ")) << out;
  EXPECT_GT(number_in(out, "\nlibtorch in fp32: ([0-9]+) images a second"), 0) << out;
  EXPECT_GT(number_in(out, "\nlibtorch in bf16: ([0-9]+) images a second"), 0) << out;
}

TEST(Infer, AgreesWithFinetuneOnSawb) { expect_agreement(sawb_model()); }

TEST(Infer, AgreesWithFinetuneOnMobileNet) {
  expect_agreement(trained("mobilenet", "--method lsq --bits 4 --act 4 -a mobilenet_v1 --multiplier 0.1"));
}

// Its linear bottlenecks have values below 0, which profit quantizes with a sign.
TEST(Infer, AgreesWithFinetuneOnMobileNetV2OfProfit) {
  const auto full = workshop().file("v2-float"), folder = workshop().file("v2");
  run_tiny("bsq_train", "--float -a mobilenet_v2 --width 0.1 --act 0 --epochs 1 --lr 0.05 --out " + full);
  run_tiny(
      "bsq_train",
      "--method profit --act 4 --activation-steps 4 --weight-steps 4 --float-epochs 0 --stabilize-epochs 0 "
      "--sample-epochs 1 --tune-epochs 1 --warmup-epochs 0 --lr 0.01 --model " +
          full + "/model_best.h5 --out " + folder);
  expect_agreement(folder + "/final.h5");
  const auto program = nlohmann::json::parse(read_checkpoint(folder + "/final.h5").program);
  int with_sign = 0;
  for (const auto& node : program.at("nodes")) {
    const auto rule = node.value("rule", nlohmann::json::object());
    with_sign += rule.value("low", 0.0) < 0 ? 1 : 0;
  }
  EXPECT_EQ(with_sign, 17) << "16 blocks and the last convolution";
}

TEST(Infer, RefusesWhatItCannotRun) {
  EXPECT_TRUE(holds(refusal("", 2), "no file named"));
  EXPECT_TRUE(holds(refusal("missing.h5", 1), "missing.h5"));
  EXPECT_TRUE(holds(refusal(sawb_model() + " a.png --compare", 2), "--compare: no effect on pictures"));
  EXPECT_TRUE(holds(refusal(sawb_model() + " missing.png", 1), "missing.png"));
  EXPECT_TRUE(holds(refusal(sawb_model() + " --seed 3", 2), "--seed: no effect on cifar10"));
  EXPECT_TRUE(holds(refusal(sawb_model() + " --dataset cifar10 --seed 3", 2),
                    "--seed: no effect without --dataset synthetic"));
  const auto resumable = std::filesystem::path(sawb_model()).parent_path() / "checkpoint.h5";
  EXPECT_TRUE(holds(refusal(resumable.string(), 1), "expected codes, as in best_bin.h5 or final.h5"));
}

TEST(Infer, NamesTheClassOfAPicture) {
  const std::string picture = BSQ_SOURCE "/tests/tools/picture.png";
  const auto out = infer(sawb_model() + " " + picture);
  EXPECT_TRUE(std::regex_search(out, std::regex(": [a-z]+, score (0\\.[0-9]{4}|1\\.0000)\n"))) << out;
}

std::string python() { return "'" BSQ_PYTHON "' "; }

bool has(const std::string& module) {
  return std::string(BSQ_PYTHON) != "" && run_command(python() + "-c 'import " + module + "'").status == 0;
}

// The wheel is built, installed into a folder of its own, and tested there; without optimization, which takes
// half the time.
TEST(PythonPackage, BuildsAndPassesItsTests) {
  for (const std::string module : {"scikit_build_core", "pybind11", "numpy", "pytest"}) {
    if (!has(module)) {
      GTEST_SKIP() << "Python lacks " << module
                   << " at '" BSQ_PYTHON "'; tools/python-env makes one that has it";
    }
  }
  const auto wheels = workshop().file("wheels"), site = workshop().file("site");
  const std::string launcher =
      "CMAKE_ARGS=\"-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DCMAKE_CXX_COMPILER_LAUNCHER=$(command -v ccache)\" ";
  const std::string pip = python() + "-m pip --disable-pip-version-check --no-cache-dir ";
  const auto built = run_command(launcher + pip + "wheel --quiet --no-deps --no-build-isolation -w '" +
                                 wheels + "' '" + kPackage + "'");
  ASSERT_EQ(built.status, 0) << built.out << built.err;
  const auto installed = run_command(pip + "install --quiet --no-deps --no-index --target '" + site + "' '" +
                                     wheels + "'/bsq-*.whl");
  ASSERT_EQ(installed.status, 0) << installed.out << installed.err;
  const auto tested = run_command("PYTHONPATH='" + site + "' BSQ_TEST_MODEL='" + sawb_model() + "' " +
                                  python() + "-m pytest -q -p no:cacheprovider '" + kPackage + "/tests'");
  EXPECT_EQ(tested.status, 0) << tested.out << tested.err;
}

}  // namespace
}  // namespace bsq::test
