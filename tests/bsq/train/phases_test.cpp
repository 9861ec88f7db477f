#include "bsq/train/phases.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/bsq/train/training_run.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// Four steps an epoch, 200 epochs.
StepSettings at(const std::vector<std::string>& phases, int64_t step) {
  return settings_at(training_phases_of(phases), {/*learning_rate=*/0.5, /*momentum=*/0.8, 5e-4},
                     {step, /*epoch_steps=*/4, /*epochs=*/200});
}

TEST(Phases, EachBeginsAtItsEpochAndKeepsWhatItDoesNotName) {
  const std::vector<std::string> older = {"0:lr=0.1:wd=1e-4", "81:lr=0.01", "122:lr=0.001:wd=0",
                                          "164:lr=1e-4:momentum=0.5"};
  EXPECT_EQ(at(older, 0).learning_rate, 0.1);
  EXPECT_EQ(at(older, 0).momentum, 0.8) << "the run's own";
  EXPECT_EQ(at(older, 81 * 4 - 1).learning_rate, 0.1);
  EXPECT_EQ(at(older, 81 * 4).learning_rate, 0.01);
  EXPECT_EQ(at(older, 122 * 4 - 1).weight_decay, 1e-4);
  EXPECT_EQ(at(older, 122 * 4).weight_decay, 0);
  EXPECT_EQ(at(older, 164 * 4).weight_decay, 0);
  EXPECT_EQ(at(older, 164 * 4).momentum, 0.5);
  EXPECT_EQ(at({"3:lr=0.1"}, 11).learning_rate, 0.5) << "before the first one";
  EXPECT_EQ(at({}, 7).weight_decay, 5e-4);
}

TEST(Phases, ARateGoesAlongALineToTheNextOne) {
  const std::vector<std::string> ramp = {"0:lr=0..0.1", "20s:lr=0.1", "30:lr=0.01..0.05"};
  EXPECT_EQ(at(ramp, 0).learning_rate, 0);
  EXPECT_DOUBLE_EQ(at(ramp, 5).learning_rate, 0.025);
  EXPECT_DOUBLE_EQ(at(ramp, 19).learning_rate, 0.095);
  EXPECT_EQ(at(ramp, 20).learning_rate, 0.1);
  EXPECT_DOUBLE_EQ(at(ramp, 460).learning_rate, 0.03) << "half way from epoch 30 to the end, 200";
  EXPECT_DOUBLE_EQ(at({"0:lr=0.4..0.2", "1:wd=0"}, 9).learning_rate, 0.2) << "it ends where it arrived";
}

TEST(Phases, OthersAreRefused) {
  for (const char* text : {"",
                           "0",
                           "0:",
                           "lr=1",
                           ":lr=1",
                           "-1:lr=1",
                           "1.5:lr=1",
                           "0:lr",
                           "0:lr=",
                           "0:lr=x",
                           "0:lr=-1",
                           "0:lr=1e7",
                           "0:lr=1..",
                           "0:lr=..1",
                           "0:lr=nan",
                           "0:lr=inf",
                           "0:lr=0x1",
                           "0:lr=1:lr=2",
                           "0:wd=1:wd=1",
                           "0:momentum=2",
                           "0:wd=-1",
                           "0:nesterov=1",
                           "0:lr=1:",
                           "s:lr=1",
                           "1ss:lr=1",
                           "99999999999999999999:lr=1"}) {
    EXPECT_THROW(training_phase_of(text), std::invalid_argument) << text;
  }
  EXPECT_THROW(training_phases_of({"3:lr=1", "3:lr=2"}), std::invalid_argument);
  EXPECT_THROW(at({"1:lr=1", "4s:lr=2"}, 0), std::invalid_argument) << "epoch 1 begins at step 4";
  EXPECT_NO_THROW(at({"1:lr=1", "5s:lr=2"}, 0));
}

// Three steps an epoch.
RunOptions phased_options(const std::string& method) {
  RunOptions options;
  options.method = method;
  options.epochs = 3;
  options.bsq.alpha = 0.05;
  options.bsq.adjust_every = 2;
  options.phases = training_phases_of({"0:lr=0.01..0.05:wd=1e-3", "4s:lr=0.05:wd=0.1", "2:momentum=0.5"});
  return options;
}

// The same settings, given to runs of a step or more each that go on where the last one stopped.
TEST(Phases, ATrainerStepsWithThem) {
  torch::manual_seed(1);
  const auto data = easy_images(96);
  for (const char* method : {"float", "bsq", "frozen"}) {
    torch::manual_seed(2);
    TrainingRun whole(network_for(method), data, phased_options(method));
    EXPECT_TRUE(whole.trainer.run());
    EXPECT_EQ(whole.recorder.reports[0].learning_rate, 0.01);
    EXPECT_EQ(whole.recorder.reports[2].learning_rate, 0.05);

    torch::manual_seed(2);
    auto network = network_for(method);
    TrainingState state;
    for (int64_t step = 0; step < 9; ++step) {
      auto options = phased_options(method);
      options.phases.clear();
      options.schedule = {};
      options.learning_rate = step < 4 ? 0.01 + (0.05 - 0.01) * (static_cast<double>(step) / 4) : 0.05;
      options.weight_decay = step < 4 ? 1e-3 : 0.1;
      options.momentum = step < 6 ? 0.9 : 0.5;
      TrainingRun part(network, data, options, /*stop_after=*/1);
      if (step > 0) {
        part.trainer.resume(state);
      }
      part.trainer.run();
      state = part.trainer.state();
    }
    expect_same_state(save_network(*whole.network), save_network(*network));
  }
}

TEST(Phases, ARunResumesInTheMiddleOfThem) {
  torch::manual_seed(3);
  const auto data = easy_images(96);
  torch::manual_seed(4);
  TrainingRun whole(network_for("bsq"), data, phased_options("bsq"));
  whole.trainer.run();
  torch::manual_seed(4);
  TrainingRun first(network_for("bsq"), data, phased_options("bsq"), /*stop_after=*/5);
  EXPECT_FALSE(first.trainer.run());
  TrainingRun second(first.network, data, phased_options("bsq"));
  second.trainer.resume(first.trainer.state());
  EXPECT_TRUE(second.trainer.run());
  expect_same_state(save_network(*whole.network), save_network(*second.network));
}

TEST(Phases, ATrainerRefusesThoseThatDoNotFollowEachOther) {
  auto options = phased_options("float");
  options.phases = training_phases_of({"2:lr=1", "5s:lr=2"});
  EXPECT_THROW(TrainingRun(network_for("float"), easy_images(96), options), std::invalid_argument);
}

}  // namespace
}  // namespace bsq::test
