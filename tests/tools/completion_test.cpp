#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/support.h"

namespace bsq::test {
namespace {

using Words = std::set<std::string>;

Words words_of(const std::string& lines) {
  Words words;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) {
      words.insert(line);
    }
  }
  return words;
}

// What bash offers for `word`, the last of a command line, after `previous`.
Words completions(const std::string& tool, const std::string& previous, const std::string& word,
                  const std::string& folder = "/") {
  const auto result = run_command(
      "cd '" + folder + "' && bash -c '. \"" BSQ_SOURCE "/tools/completion/bsq.bash\"; _bsq_program \"" +
      program(tool) + "\" \"" + word + "\" \"" + previous + "\"; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return words_of(result.out);
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
  const auto networks = completions("bsq_train", "--arch", "");
  for (const char* network : {"mobilenet_v1", "resnet", "vgg7"}) {
    EXPECT_EQ(networks.count(network), 1U) << network;
  }
  EXPECT_EQ(completions("bsq_train", "--precision", ""), (Words{"bf16", "fp32"}));
  const auto methods = completions("bsq_train", "--method", "");
  for (const char* method : {"bsq", "float", "frozen"}) {
    EXPECT_EQ(methods.count(method), 1U) << method;
  }
  EXPECT_EQ(completions("bsq_train", "--config", "resnet20-cifar10-b"), Words{"resnet20-cifar10-bsq"});
  EXPECT_TRUE(completions("sweep", "--config", "resnet20-cifar10-b").empty()) << "presets go by --preset";
  EXPECT_EQ(completions("sweep", "--preset", "quickstart-s"), Words{"quickstart-synthetic"});
}

// What bash offers for the last of the words behind `bsq`; `last` is its place.
Words completions_of_bsq(const std::string& words, int last, const std::string& word) {
  const auto result =
      run_command("bash -c '. \"" BSQ_SOURCE "/tools/completion/bsq.bash\"; COMP_WORDS=(bsq " + words +
                  "); COMP_CWORD=" + std::to_string(last) + "; _bsq \"" + program("bsq") + "\" \"" + word +
                  "\" \"${COMP_WORDS[COMP_CWORD-1]}\"; printf \"%s\\n\" \"${COMPREPLY[@]}\"'");
  EXPECT_EQ(result.status, 0) << result.err;
  return words_of(result.out);
}

TEST(Completion, OffersModesThenTheirOptions) {
  EXPECT_EQ(completions_of_bsq("f", 1, "f"), Words{"finetune"});
  EXPECT_EQ(completions_of_bsq("help de", 2, "de"), Words{"describe"});
  EXPECT_EQ(completions_of_bsq("train --adj", 2, "--adj"), Words{"--adjust-every"});
  EXPECT_EQ(completions_of_bsq("train --precision b", 3, "b"), Words{"bf16"});
  EXPECT_EQ(completions_of_bsq("sweep --preset quickstart-s", 3, "quickstart-s"),
            Words{"quickstart-synthetic"});
}

// The names for which the completion registers itself where these programs are found first.
Words registered(const std::string& path) {
  return words_of(run_command("PATH='" + path +
                              "':$PATH bash -c '. \"" BSQ_SOURCE
                              "/tools/completion/bsq.bash\"; complete -p | grep _bsq | sed \"s/.* //\"'")
                      .out);
}

TEST(Completion, LeavesAloneWhatOthersCallConvert) {
  const auto built = std::filesystem::path(program("bsq")).parent_path().string();
  EXPECT_EQ(registered(built), (Words{"bsq", "bsq_export", "bsq_train", "convert", "describe", "finetune",
                                      "infer", "report", "sweep"}));
  const TemporaryFolder others;
  write_script(others.file("convert"), "");
  EXPECT_EQ(registered(others.path().string() + "':'" + built).count("convert"), 0U);
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
