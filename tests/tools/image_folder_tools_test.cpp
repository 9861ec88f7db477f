#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cstdlib>
#include <filesystem>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

#include "bsq/data/dataset.h"
#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

// Pictures of several sizes in two classes, the second one brighter; one test picture is damaged.
class ImageFolderRuns : public testing::Test {
 protected:
  ImageFolderRuns() {
    torch::manual_seed(1);
    for (int64_t i = 0; i < 40; ++i) {
      const auto name = std::string(i < 30 ? "train/" : "val/") + (i % 2 == 0 ? "n01/" : "n02/") +
                        std::to_string(i) + ".JPEG";
      const int64_t height = 40 + i, width = 60 - i / 2;
      const auto pixels =
          torch::randint(i % 2 == 0 ? 0 : 100, i % 2 == 0 ? 120 : 256, {height, width, 3}, torch::kUInt8);
      fs::create_directories(fs::path(data(name)).parent_path());
      stbi_write_jpg(data(name).c_str(), static_cast<int>(width), static_cast<int>(height), 3,
                     pixels.data_ptr<uint8_t>(), /*quality=*/90);
    }
    fs::resize_file(data("val/n01/30.JPEG"), 700);
  }

  std::string data(const std::string& name) const { return folder_.file("data/" + name); }
  CommandResult run(const std::string& tool, const std::string& flags) const {
    return run_tool(tool,
                    flags + " --threads 1 --batch-size 8 --test-batch 4 --data " + folder_.file("data"));
  }

  TemporaryFolder folder_;
};

TEST_F(ImageFolderRuns, PicturesOfAnySizeAreTrainedOnAndTheFileKnowsHow) {
  const auto out = folder_.file("run");
  const auto trained = run("bsq_train",
                           "--float --depth 8 --dataset imagefolder --image-size 24 --resize 30 --lr 0.02 "
                           "--schedule 1 --epochs 2 --out " +
                               out);
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_TRUE(holds(trained.out, "data: imagefolder, 30 training, 10 test images, 2 classes\n"))
      << trained.out;
  const auto damage = "left out: " + data("val/n01/30.JPEG");
  EXPECT_TRUE(holds(trained.err, damage)) << trained.err;
  EXPECT_TRUE(holds(trained.err, "1 of 10 images are damaged and left out")) << trained.err;
  EXPECT_EQ(trained.err.find(damage), trained.err.rfind(damage)) << "told once";
  EXPECT_TRUE(holds(correct_count(trained.out, "final:"), " of 9"));
  const auto file = read_checkpoint(out + "/final.h5");
  EXPECT_EQ(file.description.image_height, 24);
  EXPECT_EQ(file.data.image_size, 24);
  EXPECT_EQ(file.data.resize, 30);
  EXPECT_EQ(file.data.class_names, (std::vector<std::string>{"n01", "n02"}));
  const auto evaluated = run("finetune", "--evaluate --model " + out + "/final.h5");
  EXPECT_EQ(correct_count(evaluated.out, "start:"), correct_count(trained.out, "final:")) << evaluated.err;
  const auto inferred =
      run_tool("infer", "--compare --data " + folder_.file("data") + " " + out + "/final.h5");
  EXPECT_TRUE(holds(inferred.out, "libtorch: ")) << inferred.err;
  EXPECT_TRUE(holds(inferred.out, " of 9; another class for 0 images")) << inferred.out;
  EXPECT_TRUE(holds(inferred.err, damage)) << inferred.err;
  const auto picture = run_tool("infer", out + "/final.h5 " + data("val/n02/31.JPEG"));
  EXPECT_TRUE(holds(picture.out, "31.JPEG: n0")) << picture.err;
  fs::rename(data("val/n01"), data("val/n03"));
  fs::rename(data("train/n01"), data("train/n03"));
  const auto others = run_tool("infer", "--data " + folder_.file("data") + " " + out + "/final.h5");
  EXPECT_EQ(others.status, 1);
  EXPECT_TRUE(holds(others.err, "class 0 is 'n02'; expected 'n01', as the model file has it")) << others.err;
  fs::rename(data("val/n03"), data("val/n01"));
  fs::rename(data("train/n03"), data("train/n01"));

  const auto half = folder_.file("half");
  ASSERT_EQ(run("bsq_train",
                "--float --depth 8 --dataset imagefolder --image-size 24 --resize 30 --lr 0.02 --schedule 1 "
                "--epochs 1 --out " +
                    half)
                .status,
            0);
  ASSERT_EQ(run_tool("bsq_train", "--resume --epochs 2 --out " + half).status, 0);
  EXPECT_EQ(read_log_without_clock(half + "/log.txt"), read_log_without_clock(out + "/log.txt"));
}

TEST_F(ImageFolderRuns, StrictMakesDamageAnError) {
  const auto strict =
      run("bsq_train", "--float --depth 8 --dataset imagenet --image-size 24 --strict --epochs 1 --out " +
                           folder_.file("run"));
  EXPECT_EQ(strict.status, 1);
  EXPECT_TRUE(holds(strict.err, data("val/n01/30.JPEG"))) << strict.err;
}

TEST_F(ImageFolderRuns, FlagsWithoutEffectAreRefused) {
  for (const char* flags :
       {"--dataset imagefolder --image-size 24 --crop-padding 2", "--dataset cifar10 --image-size 24",
        "--dataset cifar10 --strict", "--dataset imagefolder --resize 24",
        "--dataset imagenet --image-size 24 --resize 20"}) {
    const auto result = run(
        "bsq_train", std::string("--float --depth 8 --epochs 1 --out ") + folder_.file("run") + " " + flags);
    EXPECT_EQ(result.status, 2) << flags << ": " << result.err;
  }
}

}  // namespace
}  // namespace bsq::test
