#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/support.h"

namespace bsq::test {
namespace {

using Words = std::set<std::string>;

// What bash offers for `word`, the last of a command line, after `previous`.
Words completions(const std::string& tool, const std::string& previous, const std::string& word,
                  const std::string& folder = "/") {
  const auto result = run_command(
      "cd '" + folder + "' && bash -c '. \"" BSQ_SOURCE "/tools/completion/bsq.bash\"; _bsq \"" +
      program(tool) + "\" \"" + word + "\" \"" + previous + "\"; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  Words words;
  std::istringstream text(result.out);
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) {
      words.insert(line);
    }
  }
  return words;
}

TEST(Completion, OffersFlagsOfTheTool) {
  EXPECT_EQ(completions("bsq_train", "--L1", "--Prun"), Words{"--Prun_Int"});
  EXPECT_EQ(completions("bsq_train", "--L1", "--adj"), Words{"--adjust-every"});
  EXPECT_TRUE(completions("convert", "--bin", "--Prun").empty());
  const auto all = completions("finetune", "finetune", "--");
  for (const char* flag : {"--help", "--arch", "--out", "--checkpoint", "--layer-bits", "--evaluate"}) {
    EXPECT_EQ(all.count(flag), 1U) << flag;
  }
}

TEST(Completion, OffersValues) {
  EXPECT_EQ(completions("bsq_train", "--arch", ""), Words{"resnet"});
  EXPECT_EQ(completions("bsq_train", "--precision", ""), (Words{"bf16", "fp32"}));
  EXPECT_EQ(completions("bsq_train", "--method", ""), (Words{"bsq", "float", "frozen"}));
  EXPECT_EQ(completions("bsq_train", "--config", "resnet20-cifar10-b"), Words{"resnet20-cifar10-bsq"});
  EXPECT_TRUE(completions("sweep", "--config", "resnet20-cifar10-b").empty()) << "presets go by --preset";
  EXPECT_EQ(completions("sweep", "--preset", "quickstart-s"), Words{"quickstart-synthetic"});
}

TEST(Completion, OffersFilesOfTheKind) {
  const TemporaryFolder folder;
  for (const char* name : {"a.h5", "a.pth", "a.txt"}) {
    write_bytes(folder.file(name), "");
  }
  std::filesystem::create_directory(folder.file("afolder"));
  EXPECT_EQ(completions("finetune", "--model", "a", folder.path()), (Words{"a.h5", "a.pth", "afolder"}));
  EXPECT_EQ(completions("finetune", "--checkpoint", "a", folder.path()), Words{"afolder"});
  EXPECT_EQ(completions("finetune", "-c", "a", folder.path()), Words{"afolder"});
  EXPECT_EQ(completions("finetune", "--export-pth", "a.", folder.path()), Words{"a.pth"});
  EXPECT_EQ(completions("describe", "describe", "a.", folder.path()), (Words{"a.h5", "a.pth"}));
}

}  // namespace
}  // namespace bsq::test
