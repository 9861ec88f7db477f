#include <torch/utils.h>

#include "bsq/base/error.h"
#include "tests/bsq/train/training_run.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

// Three steps an epoch, adjustments at the epochs 0, 2 and 4, with planes lost on the way, and a warm-up of
// more than an epoch after each.
RunOptions run_options(const std::string& method) {
  RunOptions options;
  options.method = method;
  options.epochs = 5;
  options.learning_rate = 0.05;
  options.schedule = {3};
  options.bsq.alpha = 8;
  options.bsq.adjust_every = 2;
  options.bsq.drop_threshold = 2;
  options.warmup = 4;
  if (method == "bsq relative") {
    options.method = "bsq";
    options.bsq.step_rule = "relative";
    options.bsq.adjust_every = 1;
    options.bsq.freeze_at = 0.6;
    options.bsq.target_comp = 9;
    options.bsq.drop_threshold = 0;
    options.bsq.alpha = 0.1;
    options.rate_schedule = RateSchedule::kCosine;
  }
  if (method == "bsq average" || method == "frozen average") {
    options.method = method.substr(0, method.find(' '));
    options.average_decay = 0.8;
    options.reestimate = 2;
  }
  return options;
}

constexpr int64_t kImages = 96;

// Columns but those of the clock, which come last.
std::vector<EpochRecord> comparable(std::vector<EpochRecord> history) {
  for (auto& record : history) {
    record.resize(record.size() - 2);
  }
  return history;
}

void expect_same_run(const TrainingRun& a, const TrainingRun& b) {
  expect_same_state(save_network(*a.network), save_network(*b.network));
  const auto left = a.trainer.state();
  const auto right = b.trainer.state();
  EXPECT_EQ(left.best_top1, right.best_top1);
  EXPECT_EQ(left.best_epoch, right.best_epoch);
  EXPECT_EQ(left.next_epoch, right.next_epoch);
  EXPECT_EQ(left.columns, right.columns);
  EXPECT_EQ(comparable(left.history), comparable(right.history));
  ASSERT_EQ(left.optimizer.size(), right.optimizer.size());
  for (const auto& [name, tensor] : left.optimizer) {
    EXPECT_TRUE(same_bits(tensor, right.optimizer.at(name))) << name;
  }
}

// Stops after so many steps, once or twice, goes on with other objects, and expects the uninterrupted run's
// end.
void expect_resumes(const std::string& method, const std::vector<int64_t>& stops,
                    int64_t activation_bits = 4) {
  torch::manual_seed(1);
  const auto data = easy_images(kImages);
  const auto start = save_network(*network_for(run_options(method).method, activation_bits));
  const auto loaded = [&](const NetworkState& state) {
    auto network = std::make_shared<SmallNetwork>(activation_bits);
    load_network(*network, state);
    return network;
  };
  TrainingRun whole(loaded(start), data, run_options(method));
  ASSERT_TRUE(whole.trainer.run());
  NetworkState network = start;
  TrainingState state;
  for (const int64_t stop : stops) {
    TrainingRun part(loaded(network), data, run_options(method), stop);
    if (stop != stops.front()) {
      part.trainer.resume(state);
    }
    ASSERT_FALSE(part.trainer.run());
    state = part.trainer.state();
    network = save_network(*part.network);
  }
  TrainingRun rest(loaded(network), data, run_options(method));
  rest.trainer.resume(state);
  ASSERT_TRUE(rest.trainer.run());
  expect_same_run(rest, whole);
  rest.trainer.finish();
  whole.trainer.finish();
  expect_same_state(save_network(*rest.network), save_network(*whole.network));
}

TEST(TrainerResume, BitsGoOnBitForBitFromAnyStep) {
  for (int64_t stop = 1; stop < 15; ++stop) {
    expect_resumes("bsq", {stop});
    ASSERT_FALSE(testing::Test::HasFailure()) << "stopped after " << stop << " steps";
  }
}

// With sizes to reach, a frozen part, and momentum that outlives adjustments.
TEST(TrainerResume, TheRelativeRuleGoesOnBitForBitFromAnyStep) {
  for (int64_t stop = 1; stop < 15; ++stop) {
    expect_resumes("bsq relative", {stop});
    ASSERT_FALSE(testing::Test::HasFailure()) << "stopped after " << stop << " steps";
  }
  expect_resumes("bsq relative", {4, 8});
}

TEST(TrainerResume, PactGoesOnBitForBit) { expect_resumes("bsq", {7}, /*activation_bits=*/3); }

TEST(TrainerResume, TwoInterruptionsLeaveNoTrace) { expect_resumes("bsq", {4, 6}); }

TEST(TrainerResume, AnAverageOfWeightsGoesOnBitForBitFromAnyStep) {
  for (int64_t stop = 1; stop < 15; ++stop) {
    expect_resumes("bsq average", {stop});
    ASSERT_FALSE(testing::Test::HasFailure()) << "stopped after " << stop << " steps";
  }
  expect_resumes("frozen average", {4, 6});
}

TEST(TrainerResume, FloatAndFinetuningGoOnBitForBit) {
  for (const char* method : {"float", "frozen"}) {
    for (const int64_t stop : {2, 3, 8}) {
      expect_resumes(method, {stop});
    }
  }
}

class NetworkWithDropout : public SmallNetwork {
 public:
  torch::Tensor forward(const torch::Tensor& images) override {
    return SmallNetwork::forward(torch::dropout(images, /*p=*/0.3, is_training()));
  }
};

TEST(TrainerResume, ANetworkThatDrawsRandomNumbersGoesOnBitForBit) {
  const auto data = easy_images(kImages);
  const auto options = run_options("float");
  NetworkWithDropout first;
  const auto start = save_network(first);
  const auto loaded = [&](const NetworkState& state) {
    auto network = std::make_shared<NetworkWithDropout>();
    load_network(*network, state);
    return network;
  };
  const auto whole_network = loaded(start);
  torch::manual_seed(5);
  TrainingRun whole(whole_network, data, options);
  ASSERT_TRUE(whole.trainer.run());
  const auto part_network = loaded(start);
  torch::manual_seed(5);
  TrainingRun part(part_network, data, options, /*stop_after=*/7);
  ASSERT_FALSE(part.trainer.run());
  auto state = part.trainer.state();
  torch::manual_seed(6);
  TrainingRun rest(loaded(save_network(*part.network)), data, options);
  rest.trainer.resume(state);
  ASSERT_TRUE(rest.trainer.run());
  expect_same_run(rest, whole);
  state.generators["cpu"] = torch::zeros({3}, torch::kUInt8);
  EXPECT_THROW(rest.trainer.resume(state), Error);
  state.generators["cpu"] = torch::full_like(part.trainer.state().generators["cpu"], 255);
  EXPECT_THROW(rest.trainer.resume(state), Error);
}

TEST(TrainerResume, AdjustmentsDropPlanesInTheseRuns) {
  torch::manual_seed(1);
  const auto data = easy_images(kImages);
  TrainingRun run(network_for("bsq"), data, run_options("bsq"));
  run.trainer.run();
  const auto before = scheme_of(*run.network);
  EXPECT_NE(before, scheme_of(*network_for("bsq")));
}

TEST(TrainerResume, AStateForMoreEpochsGoesOn) {
  torch::manual_seed(2);
  const auto data = easy_images(kImages);
  auto options = run_options("bsq");
  options.epochs = 2;
  TrainingRun first(network_for("bsq"), data, options);
  ASSERT_TRUE(first.trainer.run());
  const auto state = first.trainer.state();
  auto network = std::make_shared<SmallNetwork>();
  load_network(*network, save_network(*first.network));
  options.epochs = 3;
  TrainingRun second(network, data, options);
  second.trainer.resume(state);
  ASSERT_TRUE(second.trainer.run());
  EXPECT_EQ(second.trainer.state().history.size(), 3U);
  EXPECT_EQ(second.recorder.adjusted, std::vector<int64_t>{2});
}

}  // namespace
}  // namespace bsq::test
