#include <torch/utils.h>

#include "bsq/methods/lsq/lsq_ste.h"
#include "tests/bsq/methods/lsq/lsq_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

RunOptions run_options(int64_t epochs) {
  RunOptions options;
  options.method = "lsq";
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
void expect_resumes(const NetworkState& start, const ImageDataset& data, int64_t stop) {
  SCOPED_TRACE(stop);
  const auto options = run_options(/*epochs=*/3);
  TrainingRun whole(lsq_network_of(start), data, options);
  ASSERT_TRUE(whole.trainer.run());
  TrainingRun part(lsq_network_of(start), data, options, stop);
  ASSERT_FALSE(part.trainer.run());
  TrainingRun rest(lsq_network_of(save_network(*part.network)), data, options);
  rest.trainer.resume(part.trainer.state());
  ASSERT_TRUE(rest.trainer.run());
  expect_same_state(save_network(*rest.network), save_network(*whole.network));
  const auto left = rest.trainer.state();
  const auto right = whole.trainer.state();
  EXPECT_EQ(left.columns, right.columns);
  EXPECT_EQ(comparable(left.history), comparable(right.history));
  ASSERT_EQ(left.optimizer.size(), right.optimizer.size());
  for (const auto& [name, tensor] : left.optimizer) {
    EXPECT_TRUE(torch::equal(tensor, right.optimizer.at(name))) << name;
  }
}

TEST(LsqTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = save_network(*lsq_network());
  for (int64_t stop = 1; stop < 9; ++stop) {
    expect_resumes(start, data, stop);
  }
}

TEST(LsqTraining, TwoBitsLearn) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  const auto network = lsq_network(/*bits=*/2);
  TrainingRun run(network, data, run_options(/*epochs=*/10));
  ASSERT_TRUE(run.trainer.run());
  const auto& reports = run.recorder.reports;
  EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss);
  EXPECT_GT(reports.back().validation.top1(), 90);
  EXPECT_EQ(scheme_of(*network), (Scheme{{"conv1", {8, 0}}, {"conv2", {2, 0}}, {"fc", {8, 0}}}));
}

TEST(LsqTraining, StepsAreTrainedAndStayPositive) {
  torch::manual_seed(3);
  const auto data = easy_images(/*count=*/96);
  const auto network = lsq_network();
  auto options = run_options(/*epochs=*/1);
  options.learning_rate = 1e-3;
  const auto before = network->named_parameters()["conv2.step"].item<double>();
  TrainingRun(network, data, options).trainer.run();
  EXPECT_NE(network->named_parameters()["conv2.step"].item<double>(), before);
  const auto optimizer = make_method("lsq")->make_optimizer(*network, SgdOptions());
  const auto parameters = network->named_parameters();
  for (const char* name : {"conv2.step", "relu1.step"}) {
    auto step = parameters[name];
    step.mutable_grad() = torch::ones_like(step);
    optimizer->step(/*learning_rate=*/1e6);
    EXPECT_EQ(step.item<float>(), static_cast<float>(kSmallestStep)) << name;
  }
}

}  // namespace
}  // namespace bsq::test
