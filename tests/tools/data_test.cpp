#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/tiny_cifar.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

// What a model file says of the images that it was trained on.
class DataOfFiles : public testing::Test {
 protected:
  CommandResult evaluate(const std::string& flags) {
    return run_tool("finetune", "--evaluate --model " + model_ + " " + flags + tiny_flags(data_));
  }

  TemporaryFolder folder_;
  std::string model_ = tiny_runs().full().file("model_best.h5");
  std::string data_;
};

TEST_F(DataOfFiles, EveryProgramSaysHowManyImagesThereAre) {
  const auto line = "data: cifar10, 200 training, 100 test images, 10 classes\n";
  for (const auto* run :
       {&tiny_runs().full(), &tiny_runs().eight_bits(), &tiny_runs().bsq(), &tiny_runs().finetuned()}) {
    EXPECT_TRUE(holds(run->out, line)) << run->out;
  }
  const auto out =
      run_tiny("bsq_train", "--float --depth 8 --epochs 0 --val-split 40 --out " + folder_.file("run"));
  EXPECT_TRUE(holds(out, "data: cifar10, 160 training, 40 validation, 100 test images, 10 classes\n")) << out;
  const auto data = read_checkpoint(folder_.file("run/checkpoint.h5")).data;
  EXPECT_EQ(data.train, 160);
  EXPECT_EQ(data.validation, 40);
  EXPECT_EQ(data.test, 100);
  EXPECT_EQ(data.class_names.at(3), "cat");
}

TEST_F(DataOfFiles, OtherClassesOrAnotherOrderAreRefused) {
  data_ = folder_.file("renamed");
  std::filesystem::copy(tiny_data(), data_, std::filesystem::copy_options::recursive);
  write_bytes(data_ + "/batches.meta.txt",
              "airplane\nautomobile\nbird\ndog\ndeer\ncat\nfrog\nhorse\nship\ntruck\n");
  for (const char* tool : {"finetune --evaluate", "convert", "bsq_train --float"}) {
    const std::string words = tool;
    const auto space = words.find(' ');
    const auto result =
        run_tool(words.substr(0, space), (space == std::string::npos ? "" : words.substr(space)) +
                                             " --model " + model_ + tiny_flags(data_) +
                                             (space == 8 ? "" : " --out " + folder_.file("out")));
    EXPECT_EQ(result.status, 1) << tool;
    EXPECT_TRUE(holds(result.err, "class 3 is 'dog'; expected 'cat', as the model file has it"))
        << result.err;
  }
}

TEST_F(DataOfFiles, ARunGoesOnWithItsOwnImagesOnly) {
  data_ = folder_.file("more");
  std::filesystem::copy(tiny_data(), data_, std::filesystem::copy_options::recursive);
  const auto run = folder_.file("run");
  std::filesystem::copy(tiny_runs().full().folder, run, std::filesystem::copy_options::recursive);
  const auto batch = read_bytes(data_ + "/data_batch_1.bin");
  write_bytes(data_ + "/data_batch_1.bin", batch + batch);
  const auto resumed = run_tool("bsq_train", "--resume --epochs 3 --out " + run + " --data " + data_);
  EXPECT_EQ(resumed.status, 1);
  EXPECT_TRUE(holds(resumed.err,
                    "other numbers of images than the run began with: 200 training, 0 validation, 100 test"))
      << resumed.err;
  EXPECT_EQ(evaluate("").status, 0) << "an evaluation may have others";
}

TEST_F(DataOfFiles, AFileWithoutNamesIsSaidToHaveNone) {
  auto checkpoint = read_checkpoint(model_);
  checkpoint.data = {};
  model_ = folder_.file("old.h5");
  write_checkpoint(model_, checkpoint);
  const auto result = evaluate("");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(
      holds(result.out, "the model file names no classes: they are taken to be those of the data set\n"))
      << result.out;
}

TEST_F(DataOfFiles, NormalizationGoesWithTheFile) {
  const auto flags = "--float --depth 8 --epochs 1 --out ";
  run_tiny("bsq_train", flags + folder_.file("imagenet") + " --normalize imagenet");
  const auto stored = read_checkpoint(folder_.file("imagenet/final.h5")).data.normalization;
  ASSERT_TRUE(stored);
  EXPECT_EQ(*stored, normalization_of("imagenet"));
  model_ = folder_.file("imagenet/final.h5");
  const auto by_file = evaluate("");
  EXPECT_EQ(evaluate("--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225").out, by_file.out);
  EXPECT_EQ(evaluate("--normalize imagenet").out, by_file.out);
  for (const char* other : {"--normalize cifar", "--mean 0.5,0.5,0.5", "--normalize imagenet --std 1,1,1"}) {
    const auto result = evaluate(other);
    EXPECT_EQ(result.status, 2) << other;
    EXPECT_TRUE(holds(result.err, "contradict the model file")) << result.err;
  }
  for (const char* bad :
       {"--mean 1,2", "--std 1,0,1", "--std 1,1,nan", "--mean a,b,c", "--normalize mnist"}) {
    EXPECT_EQ(evaluate(bad).status, 2) << bad;
  }
  run_tiny("bsq_train", flags + folder_.file("own") + " --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25");
  EXPECT_NE(read_log(folder_.file("own/log.txt")), read_log(folder_.file("imagenet/log.txt")));
}

}  // namespace
}  // namespace bsq::test
