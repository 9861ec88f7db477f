#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cstring>

#include "bsq/infer/bsq_infer.h"
#include "bsq/infer/engine.h"
#include "tests/bsq/infer/networks.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

TEST(CInterface, RunsAsTheEngineDoes) {
  const TemporaryFolder folder;
  const auto path = folder.file("a.h5");
  write_model(path, *random_network({"", "resnet", {{"depth", "8"}}, "frozen", 4, 4}));
  char message[100] = "";
  bsq_model* model = bsq_load(path.c_str(), message, sizeof message);
  ASSERT_NE(model, nullptr) << message;
  ASSERT_EQ(bsq_classes(model), 10);
  EXPECT_EQ(bsq_channels(model), 3);
  EXPECT_EQ(bsq_height(model) * bsq_width(model), 32 * 32);
  EXPECT_STREQ(bsq_class_name(model, 0), "");
  EXPECT_STREQ(bsq_class_name(model, -1), "");
  const auto images = torch::randint(0, 256, {3, 3, 32, 32}, torch::kUInt8);
  float ours[30], theirs[30];
  ASSERT_EQ(bsq_run(model, images.data_ptr<uint8_t>(), 3, ours, 2, message, sizeof message), 0) << message;
  infer::Engine(path).run(images.data_ptr<uint8_t>(), 3, theirs);
  EXPECT_EQ(std::memcmp(ours, theirs, sizeof ours), 0);

  EXPECT_EQ(bsq_run(model, images.data_ptr<uint8_t>(), 3, ours, 0, message, sizeof message), -1);
  EXPECT_NE(std::strstr(message, "0 threads"), nullptr) << message;
  EXPECT_EQ(bsq_run_normalized(model, nullptr, 1, ours, 1, message, sizeof message), -1);
  EXPECT_EQ(bsq_run_normalized(model, nullptr, 0, nullptr, 1, nullptr, 0), 0);
  bsq_free(model);
  bsq_free(nullptr);
}

TEST(CInterface, SaysWhatIsWrongInTheRoomThatThereIs) {
  char message[12];
  EXPECT_EQ(bsq_load("missing.h5", message, sizeof message), nullptr);
  EXPECT_EQ(std::strlen(message), sizeof message - 1);
  EXPECT_EQ(bsq_load("missing.h5", nullptr, 0), nullptr);
  EXPECT_EQ(bsq_load(nullptr, message, sizeof message), nullptr);
}

}  // namespace
}  // namespace bsq::test
