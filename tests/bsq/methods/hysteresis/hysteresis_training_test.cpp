#include <torch/utils.h>

#include "tests/bsq/methods/hysteresis/hysteresis_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

TrainerOptions trainer_options(int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.weight_decay = 1e-4;
  options.schedule = {};
  return options;
}

// Columns but those of the clock, which come last.
std::vector<EpochRecord> comparable(std::vector<EpochRecord> history) {
  for (auto& record : history) {
    record.resize(record.size() - 2);
  }
  return history;
}

// Stops after so many steps, goes on with other objects, and expects the uninterrupted run's end.
void expect_resumes(const NetworkState& start, const OptionsByName& method, const ImageDataset& data,
                    int64_t stop) {
  SCOPED_TRACE(stop);
  const auto options = trainer_options(/*epochs=*/3);
  TrainingRun whole(hysteresis_network_of(start), hysteresis_method(method), data, options);
  ASSERT_TRUE(whole.trainer.run());
  TrainingRun part(hysteresis_network_of(start), hysteresis_method(method), data, options, stop);
  ASSERT_FALSE(part.trainer.run());
  TrainingRun rest(hysteresis_network_of(save_network(*part.network)), hysteresis_method(method), data,
                   options);
  rest.trainer.resume(part.trainer.state());
  ASSERT_TRUE(rest.trainer.run());
  expect_same_state(save_network(*rest.network), save_network(*whole.network));
  const auto left = rest.trainer.state(), right = whole.trainer.state();
  EXPECT_EQ(comparable(left.history), comparable(right.history));
  ASSERT_EQ(left.optimizer.size(), right.optimizer.size());
  for (const auto& [name, tensor] : left.optimizer) {
    EXPECT_TRUE(torch::equal(tensor, right.optimizer.at(name))) << name;
  }
}

TEST(HysteresisTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  for (const OptionsByName& method : {OptionsByName{{"threshold", "0.5"}},
                                      {{"threshold", "0.05"}, {"threshold-rule", "absolute"}},
                                      {{"hysteresis", "published"}, {"threshold", "0.05"}}}) {
    const auto start = save_network(*hysteresis_network(method));
    for (int64_t stop = 1; stop < 9; ++stop) {
      expect_resumes(start, method, data, stop);
    }
  }
}

TEST(HysteresisTraining, OneBitLearns) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  const auto network = hysteresis_network();
  TrainingRun run(network, hysteresis_method(), data, trainer_options(/*epochs=*/10));
  ASSERT_TRUE(run.trainer.run());
  const auto& reports = run.recorder.reports;
  EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss);
  EXPECT_GT(reports.back().validation.top1(), 90);
  EXPECT_EQ(scheme_of(*network), (Scheme{{"conv2", {1, 0}}}));
}

TEST(HysteresisTraining, AWiderBandHoldsMoreSigns) {
  torch::manual_seed(3);
  const auto data = easy_images(/*count=*/96);
  const auto start = save_network(*hysteresis_network());
  const auto held = [&](const std::string& threshold) {
    TrainingRun run(hysteresis_network_of(start), hysteresis_method({{"threshold", threshold}}), data,
                    trainer_options(/*epochs=*/3));
    EXPECT_TRUE(run.trainer.run());
    return metric_in(run.recorder.reports.back(), "Held %");
  };
  EXPECT_EQ(held("0"), 0) << "no band: every sign is that of its hidden weight";
  EXPECT_GT(held("2"), held("0.1"));
}

}  // namespace
}  // namespace bsq::test
