#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

CommandResult run_bsq(const std::string& arguments) {
  return run_command("'" + program("bsq") + "' " + arguments);
}

// bsq as it is installed or built, with scripts in place of its programs.
class House {
 public:
  House() {
    fs::create_directory(folder_.path() / "bin");
    fs::copy(program("bsq"), folder_.path() / "bin");
  }
  void put(const std::string& path, const std::string& lines) const {
    fs::create_directories(fs::path(file(path)).parent_path());
    write_script(file(path), lines);
  }
  CommandResult run(const std::string& arguments) const {
    return run_command("'" + file("bin/bsq") + "' " + arguments);
  }

 private:
  std::string file(const std::string& path) const { return folder_.file(path); }
  TemporaryFolder folder_;
};

TEST(Modes, HelpNamesEveryMode) {
  const auto help = run_bsq("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const std::string mode :
       {"train", "convert", "finetune", "describe", "infer", "export", "sweep", "report"}) {
    EXPECT_NE(help.out.find("\n  " + mode + " "), std::string::npos) << mode;
  }
  EXPECT_EQ(run_bsq("").out, help.out);
  EXPECT_EQ(run_bsq("help").out, help.out);
}

TEST(Modes, HelpOfAModeIsThatOfItsProgram) {
  const auto help = run_bsq("help describe");
  EXPECT_EQ(help.status, 0) << help.err;
  EXPECT_EQ(help.out, run_bsq("describe --help").out);
  EXPECT_EQ(help.out.rfind("bsq describe: ", 0), 0U) << help.out;
  EXPECT_NE(help.out.find("\nusage: bsq describe "), std::string::npos) << help.out;
  const auto plain = run_command("'" + program("describe") + "' --help").out;
  EXPECT_EQ(plain.rfind("describe: ", 0), 0U) << plain;
}

TEST(Modes, HelpOfAModeHeedsWhatChoosesTheOptions) {
  const House house;
  house.put("bin/bsq_train", "echo \"$*\"");
  EXPECT_EQ(house.run("help train --method lsq").out, "--help --method lsq\n");
}

TEST(Modes, MessagesSayWhatWasCalled) {
  const auto wrong = run_bsq("describe --brif x");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.err,
            "bsq describe: --brif: no such option; did you mean --brief? (see bsq describe --help)\n");
  const auto missing = run_bsq("describe 'no such.h5'");
  EXPECT_EQ(missing.status, 1);
  EXPECT_EQ(missing.err.rfind("bsq describe: ", 0), 0U) << missing.err;
  EXPECT_NE(missing.err.find("no such.h5"), std::string::npos) << missing.err;
}

TEST(Modes, RefusesAnUnknownMode) {
  const auto near = run_bsq("descrbe x");
  EXPECT_EQ(near.status, 2);
  EXPECT_EQ(near.err, "bsq: descrbe: no such mode; did you mean describe? (see bsq --help)\n");
  const auto far = run_bsq("help zzzzzzzz");
  EXPECT_EQ(far.status, 2);
  EXPECT_EQ(far.err, "bsq: zzzzzzzz: no such mode (see bsq --help)\n");
}

TEST(Modes, PassArgumentsAsTheyAre) {
  const House house;
  house.put("bin/convert", "printf '<%s>' \"$@\"");
  EXPECT_EQ(house.run("convert --help 'a  b' '' '*' --x=\"$HOME\"").out,
            "<--help><a  b><><*><--x=" + std::string(std::getenv("HOME")) + ">");
}

TEST(Modes, StatusAndSignalAreThoseOfTheProgram) {
  const House house;
  house.put("bin/sweep", "exit 7");
  house.put("bin/report", "kill -TERM $$");
  EXPECT_EQ(house.run("sweep").status, 7);
  EXPECT_EQ(house.run("report").status, 128 + 15);
}

TEST(Modes, PreferTheFolderOfInstalledPrograms) {
  const House house;
  house.put("bin/convert", "echo of another package");
  house.put("libexec/bsq/convert", "echo ours");
  EXPECT_EQ(house.run("convert").out, "ours\n");
}

TEST(Modes, SayWhichProgramIsMissing) {
  const House house;
  const auto result = house.run("train");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.rfind("bsq: cannot run ", 0), 0U) << result.err;
  EXPECT_NE(result.err.find("bin/bsq_train: No such file or directory\n"), std::string::npos) << result.err;
}

TEST(Modes, VersionIsThatOfTraining) {
  const House house;
  house.put("bin/bsq_train", "echo \"$*\"");
  EXPECT_EQ(house.run("--version").out, "--version\n");
}

TEST(Modes, AHelpThatCannotBeWrittenIsAnError) {
  const auto result = run_bsq("--help >/dev/full");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "bsq: cannot write to stdout\n");
}

}  // namespace
}  // namespace bsq::test
