#include "tools/sweep/settings.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"
#include "tests/support.h"
#include "tools/cli/shell_text.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

using Words = std::vector<std::string>;

TEST(ShellText, NamesWhatIsNoPrintableCharacter) {
  EXPECT_EQ(shell_text({"a b", "it's", "plain-1.5"}), "'a b' 'it'\\''s' plain-1.5");
  EXPECT_EQ(shell_text({"a\nb'\\\x1b\xff"}), "$'a\\x0ab\\'\\\\\\x1b\\xff'");
  EXPECT_EQ(shell_text({"`x` $(y) \u00e9"}), "'`x` $(y) \u00e9'");
}

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

TEST(Settings, PublishedNamesBecomeOwnNames) {
  const auto own = [](const Words& words) {
    auto settings = Settings::of_words("--train", words);
    settings.use_own_names("bsq_train");
    return settings.arguments();
  };
  EXPECT_EQ(own({"decay=4", "L1=true", "Prun_Int=2"}), (Words{"--alpha", "4", "--adjust-every", "2"}));
  EXPECT_EQ(own({"L1=true", "no-such=1"}), (Words{"--no-such", "1", "--alpha", "0.01"}));
  EXPECT_EQ(own({"L1=false", "decay=4"}), Words());
  EXPECT_EQ(own({"float=true"}), (Words{"--method", "float"}));
}

TEST(Settings, WhatAProgramDoesNotHaveIsLeftOut) {
  auto settings = Settings::of_words("--train", {"alpha=4", "lr=1", "warmup=3", "depth=8"});
  settings.keep_those_of("finetune");
  EXPECT_EQ(settings.arguments(), (Words{"--lr", "1", "--depth", "8"}));
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
