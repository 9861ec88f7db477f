#include "tools/sweep/command_words.h"

#include <gtest/gtest.h>

namespace bsq::cli {
namespace {

TEST(CommandWords, APathHasOnePlainForm) {
  for (const char* path : {"runs/a", "runs/a/", "./runs/a", "runs//a/./", "runs/b/../a"}) {
    EXPECT_EQ(plain_path(path), "runs/a") << path;
  }
  EXPECT_EQ(plain_path("/"), "/");
  EXPECT_EQ(plain_path("."), ".");
  EXPECT_EQ(plain_path("./"), ".");
  EXPECT_EQ(plain_path("../a/"), "../a");
  EXPECT_EQ(plain_path(""), "");
}

TEST(CommandWords, OnlyWhatDiffersIsNamed) {
  const std::vector<std::string> found = {"bsq_train", "--lr", "0.1", "--schedule", "2", "4", "--wd", "0"};
  EXPECT_EQ(difference_text(found, {"bsq_train", "--lr", "0.1", "--schedule", "2", "5", "--wd", "0"}),
            "holds '--schedule 2 4'; expected '--schedule 2 5'");
  EXPECT_EQ(
      difference_text(found, {"bsq_train", "--lr", "0.1", "--schedule", "2", "4", "--wd", "0", "--bin"}),
      "holds no '--bin'; expected it");
  EXPECT_EQ(difference_text(found, {"bsq_train", "--lr", "0.1", "--wd", "0"}),
            "holds '--schedule 2 4'; expected the command without it");
  EXPECT_EQ(difference_text(found, {"finetune", "--lr", "0.1", "--schedule", "2", "4", "--wd", "0"}),
            "holds 'bsq_train'; expected 'finetune'");
}

TEST(CommandWords, PublishedNamesAreNoDifference) {
  EXPECT_EQ(difference_text({"bsq_train", "--L1", "--decay", "4", "--manualSeed", "3", "--checkpoint", "a"},
                            {"bsq_train", "--alpha", "4", "--seed", "3", "--out", "a"}),
            "");
}

TEST(CommandWords, OrderAndSpellingOfPathsAreNoDifference) {
  EXPECT_EQ(difference_text({"bsq_train", "--lr", "0.1", "--checkpoint", "./s/a/bsq"},
                            {"bsq_train", "--checkpoint", "s/a/bsq", "--lr", "0.1"}),
            "");
}

}  // namespace
}  // namespace bsq::cli
