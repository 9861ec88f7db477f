#include "bsq/io/run_summary.h"

#include <gtest/gtest.h>

#include "bsq/base/error.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

RunSummary sample() {
  RunSummary run;
  run.program = "bsq_train";
  run.method = "bsq";
  run.status = RunStatus::kRunning;
  run.architecture = "resnet";
  run.options = {{"depth", "20"}};
  run.activation_bits = 4;
  run.dataset = "cifar10";
  run.epochs = 9;
  run.epochs_done = 2;
  run.seconds = 1.25;
  run.metrics = {{"Valid Acc.", 81.5}, {"Comp", std::nan("")}};
  run.started_from = "runs/\"a\"</script>/model_best.h5";
  run.best = {"model_best.h5", 1, 82.25, 0.5, "test"};
  run.kept.file = "checkpoint.h5";
  run.tensors = {{"conv1.weight", {4, 3, 3, 3}, 108, 3, true, 1}, {"fc.weight", {10, 4}, 40, 0, true, 1}};
  run.floats = {{"shortcut.weight", {2, 2, 1, 1}}};
  run.float_elements = 24;
  run.bit_operations = 123456789012;
  run.versions = {{"libtorch", "1.13.1"}};
  run.host = "here";
  run.threads = 2;
  run.ranks = 4;
  run.precision = "fp32";
  run.command = {"bsq_train", "--lr", "0.1"};
  return run;
}

TEST(RunSummary, IsReadBackAsItWas) {
  const auto text = summary_text(sample());
  const auto run = parse_summary(text, "summary.json");
  EXPECT_EQ(summary_text(run), text);
  EXPECT_EQ(run.status, RunStatus::kRunning);
  EXPECT_EQ(run.best.top1, 82.25);
  EXPECT_TRUE(std::isnan(run.final.top1));
  EXPECT_EQ(run.metrics[0].first, "Valid Acc.") << "metrics keep their order";
  EXPECT_EQ(run.metric("Valid Acc."), 81.5);
  EXPECT_TRUE(std::isnan(run.metric("none")));
  EXPECT_FALSE(run.macs.has_value());
  EXPECT_EQ(run.bit_operations, 123456789012);
  EXPECT_EQ(run.sizes().comp(), 32.0 * 148 / (108 * 3));
}

std::string with(const std::string& from, const std::string& to) {
  auto text = summary_text(sample());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(RunSummary, HostileTextIsRefusedInOneLine) {
  const std::string deep(1000, '[');
  const std::vector<std::string> texts = {"",
                                          "[]",
                                          "{}",
                                          deep,
                                          with("\"version\": 1", "\"version\": 2"),
                                          with("\"running\"", "\"asleep\""),
                                          with("\"resnet\"", "[[[[[[[1]]]]]]]"),
                                          with("\"epochs\": 9", "\"epochs\": -9"),
                                          with("\"epochs\": 9", "\"epochs\": 18446744073709551615"),
                                          with("\"seconds\": 1.25", "\"seconds\": 1e999"),
                                          with("\"seconds\": 1.25", "\"seconds\": \"long\""),
                                          with("[4,3,3,3]", "[4,-3,3,3]"),
                                          with("[4,3,3,3]", "[4294967296,4294967296]"),
                                          with("\"bits\":3", "\"bits\":33"),
                                          with("\"sign_bit\":true", "\"sign_bit\":1"),
                                          with("\"checkpoint.h5\"", "\"../checkpoint.h5\""),
                                          with("\"ranks\": 4", "\"ranks\": 0"),
                                          with("\"host\": \"here\",", "")};
  for (const auto& text : texts) {
    SCOPED_TRACE(text.substr(0, 80));
    try {
      parse_summary(text, "runs/a/summary.json");
      ADD_FAILURE();
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find("runs/a/summary.json: "), 0U) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }
}

TEST(RunSummary, AnOlderFileIsOfOneProcess) {
  EXPECT_EQ(parse_summary(summary_text(sample()), "summary.json").ranks, 4);
  EXPECT_EQ(parse_summary(with("\"ranks\": 4,", ""), "summary.json").ranks, 1);
}

TEST(RunSummary, SizesFollowFromTheTensorsWhateverTheFileSays) {
  const auto run = parse_summary(with("\"bits_total\":324", "\"bits_total\":1"), "summary.json");
  EXPECT_EQ(run.sizes().bits_total, 324);
}

TEST(RunSummary, AMissingFileAndALargeOneAreRefused) {
  const TemporaryFolder folder;
  EXPECT_FALSE(has_summary(folder.path().string()));
  EXPECT_THROW(read_summary(folder.path().string()), Error);
  write_bytes(folder.file(kSummaryFile), std::string((16 << 20) + 1, ' '));
  EXPECT_TRUE(has_summary(folder.path().string()));
  EXPECT_THROW(read_summary(folder.path().string()), Error);
}

TEST(RunSummary, AModelOfZerosHasNoBits) {
  Checkpoint model;
  StoredTensor zeros;
  zeros.encoding = Encoding::kCodes;
  zeros.value = torch::zeros({2, 3}, torch::kInt32);
  zeros.scale = torch::tensor(1.0F);
  zeros.format = sign_magnitude(0);
  StoredTensor kept;
  kept.value = torch::ones({2, 2});
  model.network = {{"conv1.weight", zeros}, {"shortcut.weight", kept}};
  RunSummary run;
  take_model(run, model);
  EXPECT_EQ(run.tensors.at(0).bits, 0);
  EXPECT_EQ(run.float_elements, 4);
  ASSERT_EQ(run.floats.size(), 1U);
  EXPECT_TRUE(std::isinf(run.sizes().comp()));
}

TEST(RunSummary, TheStateGivesProgressMetricsAndTheBestEpoch) {
  TrainingState state;
  state.columns = {"Valid Loss", "Seconds"};
  state.history = {{0.5, 2}, {0.25, 3}, {0.75, 4}};
  state.next_epoch = 5;  // begun at epoch 2
  state.best_epoch = 3;
  state.best_top1 = 90;
  RunSummary run;
  take_training(run, state);
  EXPECT_EQ(run.epochs_done, 5);
  EXPECT_EQ(run.seconds, 9);
  EXPECT_EQ(run.metrics, (std::vector<std::pair<std::string, double>>{{"Valid Loss", 0.75}, {"Seconds", 4}}));
  EXPECT_EQ(run.best.loss, 0.25);
  EXPECT_EQ(run.best.top1, 90);
}

}  // namespace
}  // namespace bsq::test
