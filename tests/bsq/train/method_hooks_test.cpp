#include <torch/utils.h>

#include "bsq/base/error.h"
#include "tests/bsq/train/training_run.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using Calls = std::vector<std::string>;

// Every hook, and a state on which the steps depend: a penalty on fc.weight that grows with every step.
class HookMethod : public Method {
 public:
  static constexpr int64_t kRestartEvery = 2;

  explicit HookMethod(Calls* calls = nullptr) : calls_(calls) {}

  std::string name() const override { return "hooks"; }
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override {
    note("make_optimizer");
    return Method::make_optimizer(network, options);
  }
  bool before_epoch(Network& network, int64_t epoch) override {
    note("before_epoch " + std::to_string(epoch));
    if (epoch % kRestartEvery != 0) {
      return false;
    }
    const auto ref = sources_of(network).back();
    ref.set(ref.source().clone());
    return true;
  }
  int64_t last_restart(int64_t epoch) const override { return epoch - epoch % kRestartEvery; }
  torch::Tensor loss_term(Network& network) override {
    note("loss_term");
    return strength_ * network.named_parameters()["fc.weight"].square().sum();
  }
  void after_step(Network& /*network*/, StepSums& sums) override {
    note("after_step");
    sums["strength"] += strength_.item<double>();
    strength_.mul_(1.2);
  }
  std::vector<std::string> metric_names() const override { return {"Strength", "Steps"}; }
  std::vector<double> measure(Network& /*network*/, const StepSums& sums, double steps,
                              const Sizes& /*sizes*/) const override {
    note("measure");
    return {sums.at("strength") / steps, steps};
  }
  bool end(Network& /*network*/) override {
    note("end");
    return true;
  }
  Slots state() override { return {{"strength", strength_, Slot::Role::kTracked}}; }

 private:
  void note(const std::string& call) const {
    if (calls_ != nullptr) {
      calls_->push_back(call);
    }
  }

  Calls* calls_;
  torch::Tensor strength_ = torch::tensor(0.01);
};

TrainerOptions hook_options(int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.schedule = {3};
  options.warmup = 4;
  return options;
}

TEST(MethodHooks, AreCalledInOrder) {
  torch::manual_seed(1);
  Calls calls;
  TrainingRun run(network_for("float"), std::make_unique<HookMethod>(&calls), easy_images(40),
                  hook_options(/*epochs=*/2));
  ASSERT_TRUE(run.trainer.run());
  run.trainer.finish();
  const Calls step = {"loss_term", "after_step"};
  Calls expected = {"make_optimizer", "before_epoch 0", "make_optimizer"};
  for (const char* after : {"before_epoch 1", "end"}) {
    for (int steps = 0; steps < 2; ++steps) {
      expected.insert(expected.end(), step.begin(), step.end());
    }
    expected.insert(expected.end(), {"measure", after});
  }
  expected.push_back("make_optimizer");
  EXPECT_EQ(calls, expected);
  EXPECT_EQ(run.recorder.adjusted, (std::vector<int64_t>{0, 2}));
}

TEST(MethodHooks, TheLossTermReachesTheGradients) {
  torch::manual_seed(2);
  const auto start = save_network(*network_for("float"));
  const auto data = easy_images(96);
  const auto weight_after = [&](std::unique_ptr<Method> method) {
    auto network = std::make_shared<SmallNetwork>();
    load_network(*network, start);
    TrainingRun run(network, std::move(method), data, hook_options(/*epochs=*/3));
    run.trainer.run();
    return value_in(network->fc->weight_source()).square().sum().item<double>();
  };
  EXPECT_LT(weight_after(std::make_unique<HookMethod>()), 0.9 * weight_after(make_method("float")));
}

// Reported losses are the cross entropy alone, as evaluation's are.
TEST(MethodHooks, MetricsAreColumnsOfTheLog) {
  torch::manual_seed(3);
  TrainingRun run(network_for("float"), std::make_unique<HookMethod>(), easy_images(70),
                  hook_options(/*epochs=*/1));
  run.trainer.run();
  const auto& report = run.recorder.reports.front();
  EXPECT_EQ(metric_in(report, "Steps"), 3.0);
  EXPECT_NEAR(metric_in(report, "Strength"), 0.01 * (1 + 1.2 + 1.44) / 3, 1e-6);
  const auto state = run.trainer.state();
  EXPECT_EQ(state.columns,
            (std::vector<std::string>{"Learning Rate", "Train Loss", "Valid Loss", "Train Acc.", "Valid Acc.",
                                      "Strength", "Steps", "Comp Stored", "Seconds", "Wait %"}));
  EXPECT_EQ(state.history[0][5], metric_in(report, "Strength"));
  EXPECT_TRUE(state.sums.count("strength") == 0) << "sums are those of an unfinished epoch";
}

std::shared_ptr<SmallNetwork> loaded(const NetworkState& state) {
  auto network = std::make_shared<SmallNetwork>();
  load_network(*network, state);
  return network;
}

TEST(MethodHooks, TheMethodsStateResumesBitForBit) {
  torch::manual_seed(4);
  const auto data = easy_images(96);
  const auto start = save_network(*network_for("float"));
  const auto options = hook_options(/*epochs=*/5);
  TrainingRun whole(loaded(start), std::make_unique<HookMethod>(), data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (const int64_t stop : {1, 3, 5, 8}) {
    TrainingRun part(loaded(start), std::make_unique<HookMethod>(), data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    const auto state = part.trainer.state();
    EXPECT_EQ(state.method.count("strength"), 1U);
    TrainingRun rest(loaded(save_network(*part.network)), std::make_unique<HookMethod>(), data, options);
    rest.trainer.resume(state);
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
    const auto ended = rest.trainer.state();
    EXPECT_TRUE(same_bits(ended.method.at("strength"), whole.trainer.state().method.at("strength")));
    for (size_t epoch = 0; epoch < 5; ++epoch) {
      EXPECT_EQ(ended.history[epoch][5], whole.trainer.state().history[epoch][5]) << "a sum of the method's";
    }
    for (const auto& [name, tensor] : whole.trainer.state().optimizer) {
      EXPECT_TRUE(same_bits(tensor, ended.optimizer.at(name))) << name;
    }
  }
}

TEST(MethodHooks, AStateDoesNotFollowTheRun) {
  torch::manual_seed(5);
  TrainingRun run(network_for("float"), std::make_unique<HookMethod>(), easy_images(40),
                  hook_options(/*epochs=*/2));
  const auto state = run.trainer.state();
  run.trainer.run();
  EXPECT_EQ(state.method.at("strength").item<float>(), 0.01F);
}

TEST(MethodHooks, ResumingNeedsTheMethodsState) {
  torch::manual_seed(6);
  const auto data = easy_images(40);
  const auto options = hook_options(/*epochs=*/2);
  TrainingRun run(network_for("float"), std::make_unique<HookMethod>(), data, options, /*stop_after=*/1);
  run.trainer.run();
  auto state = run.trainer.state();
  state.method["strength"] = torch::zeros({2});
  TrainingRun rest(run.network, std::make_unique<HookMethod>(), data, options);
  EXPECT_EQ(message_of<Error>([&] { rest.trainer.resume(state); }),
            "training state: the method's strength is missing or of another shape");
  state.method.clear();
  EXPECT_THROW(rest.trainer.resume(state), Error);
}

TEST(MethodHooks, ResumingNeedsTheMethodsColumns) {
  torch::manual_seed(7);
  const auto data = easy_images(40);
  TrainingRun run(network_for("float"), std::make_unique<HookMethod>(), data, hook_options(/*epochs=*/2),
                  /*stop_after=*/1);
  run.trainer.run();
  TrainingRun other(run.network, make_method("float"), data, hook_options(/*epochs=*/2));
  EXPECT_THROW(other.trainer.resume(run.trainer.state()), Error);
}

}  // namespace
}  // namespace bsq::test
