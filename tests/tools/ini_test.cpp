#include "tools/cli/ini.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"
#include "tests/support.h"
#include "tools/cli/usage_error.h"

namespace bsq::test {
namespace {

using cli::parse_ini;
using cli::read_ini_file;
using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Ini, LinesAreReadInOrder) {
  const std::string text =
      "# a preset\n lr = 0.1 # fast\n\nschedule=2\nschedule = 4\nkeep-float =\n[own]\nname = a b\n";
  EXPECT_EQ(
      parse_ini(text, "a.cfg"),
      (Pairs{{"lr", "0.1"}, {"schedule", "2"}, {"schedule", "4"}, {"keep-float", ""}, {"own.name", "a b"}}));
  EXPECT_TRUE(parse_ini("", "a.cfg").empty());
}

TEST(Ini, ALineThatIsNoAssignmentIsRefusedWithTheFile) {
  try {
    parse_ini("lr = 1\ntrain well\n", "a.cfg");
    FAIL() << "taken";
  } catch (const cli::UsageError& error) {
    EXPECT_EQ(std::string(error.what()).find("a.cfg: "), 0U) << error.what();
  }
}

TEST(Ini, FilesThatCannotBeReadAreErrors) {
  const TemporaryFolder folder;
  for (const auto& path : {folder.file("missing.cfg"), folder.path().string(), std::string("/dev/zero")}) {
    EXPECT_THROW(read_ini_file(path, "a preset"), Error) << path;
  }
  write_bytes(folder.file("a.cfg"), "lr = 1\n");
  EXPECT_EQ(read_ini_file(folder.file("a.cfg"), "a preset"), "lr = 1\n");
}

}  // namespace
}  // namespace bsq::test
