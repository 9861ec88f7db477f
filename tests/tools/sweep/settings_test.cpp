#include "tools/sweep/settings.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"
#include "tests/support.h"
#include "tools/cli/shell_text.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

using Words = std::vector<std::string>;

TEST(Settings, APresetBecomesArguments) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.file("a.cfg"),
                    "# a preset\nlr = 0.1\nL1 = true\nbin = false\nschedule = 2\nschedule = 4\n");
  const auto settings = Settings::read(folder.file("a.cfg"));
  EXPECT_EQ(settings.arguments(), (Words{"--lr", "0.1", "--L1", "--schedule", "2", "4"}));
}

TEST(Settings, WhatIsMergedReplacesWholeLists) {
  auto settings = Settings::of_words("--train", {"schedule=2", "schedule=4", "lr=0.1"});
  settings.merge(Settings::of_words("--train", {"schedule=3", "gamma=0.5"}));
  EXPECT_EQ(settings.arguments(), (Words{"--schedule", "3", "--lr", "0.1", "--gamma", "0.5"}));
  settings.remove("lr");
  EXPECT_FALSE(settings.has("lr"));
  EXPECT_EQ(settings.value("gamma"), "0.5");
}

TEST(Settings, WhatIsNoAssignmentIsRefused) {
  for (const char* word : {"lr", "=1", "--lr=1", ""}) {
    EXPECT_THROW(Settings::of_words("--train", {word}), UsageError) << word;
  }
}

TEST(Settings, FilesThatAreNoPresets) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.file("prose.cfg"), "train well\n");
  EXPECT_THROW(Settings::read(folder.file("prose.cfg")), UsageError);
  EXPECT_THROW(Settings::read(folder.file("missing.cfg")), Error);
}

TEST(Settings, ShellTextIsReadBackByAShell) {
  const Words words = {"a b", "plain-1.0", "", "it's", "$HOME"};
  const auto result = test::run_command("printf '%s\\n' " + shell_text(words));
  EXPECT_EQ(result.out, "a b\nplain-1.0\n\nit's\n$HOME\n");
}

}  // namespace
}  // namespace bsq::cli
