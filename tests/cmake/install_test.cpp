#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "tests/support.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

CommandResult run_well(const std::string& command) {
  auto result = run_command(command);
  EXPECT_EQ(result.status, 0) << command << "\n" << result.out << result.err;
  return result;
}

// This build, installed into a folder of its own.
class Installation {
 public:
  Installation() { run_well("'" BSQ_CMAKE "' --install '" BSQ_BUILD "' --prefix '" + prefix() + "'"); }
  std::string prefix() const { return folder_.file("usr"); }
  std::string program(const std::string& name) const { return prefix() + "/bin/" + name; }
  std::string page(const std::string& name) const { return prefix() + "/share/man/man1/" + name + ".1"; }

 private:
  TemporaryFolder folder_;
};

// Without optimization, and with the linker of this build, which are faster.
std::string arguments_for(const Installation& installation) {
  const std::string more = BSQ_PREFIX_PATH;
  return "-S '" BSQ_SOURCE "/examples/own_network' -DCMAKE_CXX_COMPILER='" BSQ_COMPILER
         "' -DCMAKE_CXX_FLAGS_RELEASE='-O0 -DNDEBUG' -DCMAKE_EXE_LINKER_FLAGS='" BSQ_LINKER_FLAG
         "' -DCMAKE_CXX_COMPILER_LAUNCHER=\"$(command -v ccache)\" -DCMAKE_PREFIX_PATH='" +
         installation.prefix() + (more.empty() ? "" : ";" + more) + "'";
}

double number_after(const std::string& text, const std::string& word) {
  std::smatch match;
  const bool found = std::regex_search(text, match, std::regex(word + " ([0-9.]+)"));
  EXPECT_TRUE(found) << "no '" << word << "' in:\n" << text;
  return found ? std::stod(match[1]) : 0;
}

TEST(Install, ProgramsFindTheirPresets) {
  const Installation installation;
  const auto bsq = "'" + installation.program("bsq") + "' ";
  for (const std::string mode :
       {"train", "convert", "finetune", "describe", "infer", "export", "sweep", "report"}) {
    EXPECT_NE(run_well(bsq + mode + " --help").out.find("usage: bsq " + mode), std::string::npos) << mode;
  }
  for (const auto& train : {bsq + "train", "'" + installation.program("bsq_train") + "'"}) {
    const auto result = run_command(train + " --config quickstart-synthetic-bsq --model missing.h5");
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("missing.h5"), std::string::npos) << result.err;
  }
}

// ImageMagick, GraphicsMagick and others have a `convert`, a `sweep`, a `report`: every path holds our name.
TEST(Install, HasNoNameOfAnotherPackage) {
  const Installation installation;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(installation.prefix())) {
    if (!entry.is_directory()) {
      ++files;
      const auto path = "/" + fs::relative(entry.path(), installation.prefix()).string();
      EXPECT_TRUE(std::regex_search(path, std::regex("/(lib)?bsq([-_./]|$)"))) << path;
    }
  }
  EXPECT_GT(files, 50);
}

// Beside an installed bsq lies what another package installs.
TEST(Install, RunsItsOwnConvert) {
  const Installation installation;
  write_script(installation.program("convert"), "exit 77");
  run_well("'" + installation.program("bsq") + "' convert --help");
}

// A sweep runs the programs beside itself, wherever the user finds it.
TEST(Install, SweepRunsItsPrograms) {
  const Installation installation;
  const TemporaryFolder work;
  const auto train = installation.prefix() + "/libexec/bsq/bsq_train";
  write_script(train, "echo \"$0\" >'" + work.file("ran") + "'; exit 1");
  run_command("cd '" + work.path().string() + "' && '" + installation.program("bsq") +
              "' sweep --preset quickstart-synthetic --alpha 1e-3 --out sweep");
  EXPECT_EQ(read_bytes(work.file("ran")), train + "\n");
}

TEST(Install, NamesNoFolderOfTheBuild) {
  const Installation installation;
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(installation.prefix())) {
    if (entry.path().extension() == ".cmake") {
      ++files;
      const auto text = read_bytes(entry.path());
      EXPECT_EQ(text.find(BSQ_BUILD), std::string::npos) << entry.path();
      EXPECT_EQ(text.find(BSQ_SOURCE), std::string::npos) << entry.path();
    }
  }
  EXPECT_GE(files, 6);
}

TEST(Install, HasManPagesAndCompletion) {
  const Installation installation;
  for (const std::string name : {"bsq", "bsq_train"}) {
    EXPECT_TRUE(fs::exists(installation.prefix() + "/share/bash-completion/completions/" + name)) << name;
    EXPECT_EQ(fs::exists(installation.page(name)), BSQ_HAS_MAN_PAGES) << name;
  }
  for (const std::string mode :
       {"train", "convert", "finetune", "describe", "infer", "export", "sweep", "report"}) {
    EXPECT_EQ(fs::exists(installation.page("bsq-" + mode)), BSQ_HAS_MAN_PAGES) << mode;
  }
}

// examples/infer, in C: it finds the engine without libtorch, and runs a model of a network that only another
// project's code knows.
void expect_c_program_runs(const Installation& installation, const TemporaryFolder& work,
                           const std::string& model) {
  const auto build = work.file("build-c");
  run_well("'" BSQ_CMAKE "' -B '" + build + "' -S '" BSQ_SOURCE "/examples/infer' -DCMAKE_PREFIX_PATH='" +
           installation.prefix() + "'");
  run_well("'" BSQ_CMAKE "' --build '" + build + "'");
  write_bytes(work.file("image.rgb"), std::string(3 * 32 * 32, '\x55'));
  const auto in_folder = "cd '" + work.path().string() + "' && '" + build + "/classify' ";
  EXPECT_NE(run_well(in_folder + model + " image.rgb").out.find("image.rgb: class "), std::string::npos);
  EXPECT_EQ(run_command("ldd '" + build + "/classify' | grep -c torch").out, "0\n");
  EXPECT_NE(run_command(in_folder + "missing.h5 image.rgb").err.find("missing.h5"), std::string::npos);
}

// The example in short form: its network learns, its tools know it, and what one writes another reads.
TEST(Install, TheExampleBuildsAndTrains) {
  const Installation installation;
  const TemporaryFolder work;
  const auto build = work.file("build");
  run_well("'" BSQ_CMAKE "' -B '" + build + "' " + arguments_for(installation));
  run_well("'" BSQ_CMAKE "' --build '" + build + "'");
  if (HasFailure()) {
    return;
  }
  const std::string in_folder = "cd '" + work.path().string() + "' && ";
  const auto out = run_well(in_folder + "'" + build + "/train_small_net' 3 3 1").out;
  EXPECT_GT(number_after(out, "final: top-1"), 40) << out;
  EXPECT_GT(number_after(out, "final: top-1 [0-9.]+ %, comp"), 4) << out;

  const std::string tools = in_folder + "'" + build + "/bin/";
  const auto evaluated = run_well(tools + "finetune' --evaluate --threads 1 --model small_net.h5").out;
  EXPECT_NEAR(number_after(evaluated, "start: top-1"), number_after(out, "final: top-1"), 0.5);
  EXPECT_FALSE(run_well(tools + "bsq' describe small_net.h5").out.empty());
  const std::string flags = " --dataset synthetic --threads 1 --epochs 1 --schedule 1 -a small_net ";
  run_well(tools + "bsq_train' --float" + flags + "--checkpoint float");
  run_well(tools +
           "convert' --threads 1 --model float/model_best.h5 --keep-float fc --layer-bits 'conv.*=6' "
           "--checkpoint bits");
  expect_c_program_runs(installation, work, "bits/model_best.h5");
  EXPECT_NE(run_command("'" + installation.program("bsq") + "' finetune --evaluate --model '" +
                        work.file("small_net.h5") + "'")
                .err.find("architecture 'small_net'; expected alexnet"),
            std::string::npos);
}

}  // namespace
}  // namespace bsq::test
