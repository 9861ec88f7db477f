#include "bsq/train/trainer.h"

#include <torch/utils.h>

#include <limits>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

using Numbers = std::vector<int64_t>;

RunOptions quick_options(const std::string& method, int64_t epochs) {
  RunOptions options;
  options.method = method;
  options.epochs = epochs;
  options.learning_rate = 0.02;
  options.schedule = {2, 4};
  options.bsq.alpha = 0.05;
  options.bsq.adjust_every = 2;
  return options;
}

TEST(Trainer, AdjustsAtEveryIntervalAndAtTheEnd) {
  torch::manual_seed(1);
  TrainingRun run(network_for("bsq"), easy_images(70), quick_options("bsq", 5));
  EXPECT_TRUE(run.trainer.run());
  EXPECT_EQ(run.recorder.adjusted, (Numbers{0, 2, 4}));
  EXPECT_TRUE(run.trainer.finish());
  EXPECT_EQ(run.recorder.adjusted, (Numbers{0, 2, 4, 5}));
  for (const auto& [name, weight] : plane_weights(*run.network)) {
    EXPECT_TRUE(is_sign_magnitude(weight->planes())) << name;
  }
  EXPECT_EQ(run.recorder.steps.size(), 15U);
  EXPECT_EQ(run.recorder.starts.back(), (Numbers{4, 3, 0}));
}

TEST(Trainer, OtherMethodsNeverAdjust) {
  torch::manual_seed(2);
  for (const char* method : {"float", "frozen"}) {
    TrainingRun run(network_for(method), easy_images(40), quick_options(method, 3));
    const auto scheme = scheme_of(*run.network);
    EXPECT_TRUE(run.trainer.run());
    EXPECT_FALSE(run.trainer.finish());
    EXPECT_TRUE(run.recorder.adjusted.empty());
    EXPECT_EQ(scheme_of(*run.network), scheme);
    EXPECT_TRUE(run.recorder.reports.back().metrics.empty());
  }
}

TEST(Trainer, LearningRateFollowsTheSchedule) {
  torch::manual_seed(3);
  TrainingRun run(network_for("float"), easy_images(40), quick_options("float", 5));
  run.trainer.run();
  std::vector<double> rates;
  for (const auto& report : run.recorder.reports) {
    rates.push_back(report.learning_rate);
  }
  const std::vector<double> expected = {0.02, 0.02, 0.02 * 0.1, 0.02 * 0.1, 0.02 * 0.1 * 0.1};
  EXPECT_EQ(rates, expected);
}

TEST(Trainer, TheLearningRateOfTheScheduleIsTheOneThatSteps) {
  torch::manual_seed(4);
  auto options = quick_options("bsq", 1);
  options.schedule = {0};
  options.gamma = 0;
  auto network = network_for("bsq");
  const auto before = network->shortcut->weight.detach().clone();
  TrainingRun run(network, easy_images(40), options);
  run.trainer.run();
  EXPECT_TRUE(torch::equal(network->shortcut->weight, before)) << "after an adjustment as well";
}

// The network after one more step, from where a run of `done` steps, three an epoch, stands.
NetworkState after_a_step(const ImageDataset& data, int64_t done, RunOptions options, double rate,
                          int64_t warmup) {
  torch::manual_seed(8);
  TrainingRun before(network_for(options.method), data, options, done);
  if (done > 0) {
    EXPECT_FALSE(before.trainer.run());
  }
  options.learning_rate = rate;
  options.warmup = warmup;
  TrainingRun run(before.network, data, options, /*stop_after=*/1);
  if (done > 0) {
    run.trainer.resume(before.trainer.state());
  }
  EXPECT_FALSE(run.trainer.run());
  return save_network(*run.network);
}

TEST(Trainer, WarmUpBeginsAtTheStartAndAfterEveryAdjustment) {
  torch::manual_seed(8);
  const auto data = easy_images(96);
  constexpr int64_t kWarmup = 4;
  for (const char* method : {"bsq", "float"}) {
    auto options = quick_options(method, 5);
    options.schedule = {};
    const auto expect_factor = [&](int64_t done, double factor) {
      SCOPED_TRACE(done);
      expect_same_state(after_a_step(data, done, options, /*rate=*/0.4, kWarmup),
                        after_a_step(data, done, options, /*rate=*/0.4 * factor, /*warmup=*/0));
    };
    const bool adjusts = options.method == "bsq";
    expect_factor(0, 0.25);
    expect_factor(1, 0.5);
    expect_factor(3, 1);
    expect_factor(5, 1);
    expect_factor(6, adjusts ? 0.25 : 1);
    expect_factor(7, adjusts ? 0.5 : 1);
    expect_factor(10, 1);
  }
}

TEST(Trainer, ThresholdIsForTheIntervalsNotForTheEnd) {
  torch::manual_seed(5);
  auto options = quick_options("bsq", 1);
  options.learning_rate = 0;
  options.bsq.drop_threshold = 60;
  TrainingRun interval(network_for("bsq"), easy_images(40), options);
  interval.trainer.run();
  EXPECT_LT(interval.network->conv2->weight_source().bits(), 8);
  TrainingRun end(network_for("bsq"), easy_images(40), options);
  end.trainer.finish();
  EXPECT_EQ(end.network->conv2->weight_source().bits(), 8);
  EXPECT_EQ(end.recorder.adjusted, (Numbers{1}));
}

TEST(Trainer, GrowthStopsAtTheWidestWidth) {
  torch::manual_seed(6);
  for (const int64_t max_bits : {4, 8}) {
    auto options = quick_options("bsq", 1);
    options.bsq.max_bits = max_bits;
    auto network = std::make_shared<SmallNetwork>();
    bring_to(*network, Form::kPlanes);
    TrainingRun run(network, easy_images(40), options);
    run.trainer.finish();
    EXPECT_EQ(network->conv2->weight_source().bits(), max_bits == 4 ? 4 : 5);
  }
}

TEST(Trainer, MomentumStartsAfreshAtAnAdjustment) {
  struct Observer : TrainerObserver {
    void on_adjusted(int64_t epoch) override {
      for (const auto& [name, tensor] : trainer->state().optimizer) {
        largest = std::max(largest, tensor.abs().max().template item<double>());
      }
      adjustments += epoch > 0 ? 1 : 0;
    }
    Trainer* trainer = nullptr;
    double largest = 0;
    int adjustments = 0;
  };
  torch::manual_seed(7);
  const auto data = easy_images(64);
  BatchLoader training(data, loader_options(/*batch_size=*/32, /*is_training=*/true));
  BatchLoader validation(data, loader_options(/*batch_size=*/32));
  Observer observer;
  const auto method = method_for(quick_options("bsq", 5));
  Trainer trainer(network_for("bsq"), *method, training, validation, quick_options("bsq", 5), observer);
  observer.trainer = &trainer;
  trainer.run();
  EXPECT_EQ(observer.adjustments, 2);
  EXPECT_EQ(observer.largest, 0.0);
  double momentum = 0;
  for (const auto& [name, tensor] : trainer.state().optimizer) {
    momentum = std::max(momentum, tensor.abs().max().item<double>());
  }
  EXPECT_GT(momentum, 0.0);
}

TEST(Trainer, BestEpochIsTheFirstOfTheHighest) {
  torch::manual_seed(8);
  TrainingRun run(network_for("float"), easy_images(90), quick_options("float", 6));
  run.trainer.run();
  double best = -1;
  int64_t best_epoch = -1;
  for (const auto& report : run.recorder.reports) {
    const bool is_best = report.validation.top1() > best;
    EXPECT_EQ(report.is_best, is_best) << report.epoch;
    best_epoch = is_best ? report.epoch : best_epoch;
    best = std::max(best, report.validation.top1());
  }
  EXPECT_EQ(run.trainer.state().best_epoch, best_epoch);
  EXPECT_EQ(run.trainer.state().best_top1, best);
}

TEST(Trainer, ReportsWhatEvaluationAndCompressionSay) {
  torch::manual_seed(9);
  const auto data = easy_images(90);
  auto network = network_for("bsq");
  TrainingRun run(network, data, quick_options("bsq", 1));
  run.trainer.run();
  const auto& report = run.recorder.reports.front();
  BatchLoader loader(data, loader_options(/*batch_size=*/40));
  const auto evaluation = evaluate(*network, loader);
  EXPECT_EQ(report.validation.correct, evaluation.correct);
  EXPECT_EQ(report.validation.loss, evaluation.loss);
  EXPECT_EQ(report.comp, sizes_of(*network).comp());
  EXPECT_EQ(report.comp_stored, sizes_of(*network).comp_stored());
  EXPECT_GT(metric_in(report, "Reg Loss"), 0.0);
  EXPECT_EQ(metric_in(report, "Comp"), report.comp);
  EXPECT_GE(report.seconds, 0.0);
  const auto state = run.trainer.state();
  const std::vector<std::string> columns = {"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.",
                                            "Valid Acc.",    "Reg Loss",   "Comp",       "Comp Stored",
                                            "Seconds",       "Wait %"};
  EXPECT_EQ(state.columns, columns);
  ASSERT_EQ(state.history.size(), 1U);
  ASSERT_EQ(state.history[0].size(), columns.size());
  EXPECT_EQ(state.history[0][1], report.train_loss);
  EXPECT_EQ(state.history[0][4], report.validation.top1());
  EXPECT_EQ(state.history[0][6], report.comp);
  EXPECT_TRUE(state.network.empty());
}

TEST(Trainer, ColumnsOfTheOtherMethodsHaveNoPenalty) {
  for (const char* method : {"float", "frozen"}) {
    TrainingRun run(network_for(method), easy_images(40), quick_options(method, 1));
    run.trainer.run();
    const auto state = run.trainer.state();
    EXPECT_EQ(std::count(state.columns.begin(), state.columns.end(), "Comp"), 0);
    EXPECT_EQ(state.history[0].size(), state.columns.size());
  }
}

TEST(Trainer, StopsWhereItIsAsked) {
  torch::manual_seed(10);
  const auto stopped = [](int64_t after) {
    TrainingRun run(network_for("bsq"), easy_images(70), quick_options("bsq", 2), after);
    EXPECT_FALSE(run.trainer.run());
    EXPECT_EQ(static_cast<int64_t>(run.recorder.steps.size()), after);
    const auto state = run.trainer.state();
    return Numbers{state.next_epoch, state.next_step, static_cast<int64_t>(state.history.size())};
  };
  EXPECT_EQ(stopped(1), (Numbers{0, 1, 0}));
  EXPECT_EQ(stopped(2), (Numbers{0, 2, 0}));
  EXPECT_EQ(stopped(3), (Numbers{1, 0, 1}));
  EXPECT_EQ(stopped(5), (Numbers{1, 2, 1}));
  TrainingRun whole(network_for("bsq"), easy_images(70), quick_options("bsq", 2),
                    /*stop_after=*/6);
  EXPECT_TRUE(whole.trainer.run()) << "after the last step the run is done";
}

TEST(Trainer, StartsAtAnEpoch) {
  torch::manual_seed(11);
  TrainingRun run(network_for("bsq"), easy_images(40), quick_options("bsq", 5));
  run.trainer.start_at(3);
  EXPECT_TRUE(run.trainer.run());
  ASSERT_EQ(run.recorder.reports.size(), 2U);
  EXPECT_EQ(run.recorder.reports[0].epoch, 3);
  EXPECT_EQ(run.recorder.adjusted, (Numbers{4}));
}

TEST(Trainer, ALossThatIsNotFiniteNamesTheStep) {
  struct Poison : TrainerObserver {
    void on_step(int64_t step, double /*mean_loss*/, double /*top1*/) override {
      if (++steps == 5) {
        torch::NoGradGuard no_grad;
        network->bn1->weight.fill_(std::numeric_limits<float>::quiet_NaN());
        EXPECT_EQ(step, 2);
      }
    }
    SmallNetwork* network = nullptr;
    int steps = 0;
  };
  torch::manual_seed(12);
  const auto data = easy_images(96);
  BatchLoader training(data, loader_options(/*batch_size=*/32, /*is_training=*/true));
  BatchLoader validation(data, loader_options(/*batch_size=*/32));
  Poison observer;
  const auto network = network_for("float");
  observer.network = network.get();
  const auto method = make_method("float");
  Trainer trainer(network, *method, training, validation, quick_options("float", 3), observer);
  const auto message = message_of<Error>([&] { trainer.run(); });
  EXPECT_TRUE(begins_with(message, "epoch 1, step 2: the loss is nan")) << message;
}

}  // namespace
}  // namespace bsq::test
