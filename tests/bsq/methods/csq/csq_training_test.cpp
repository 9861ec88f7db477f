#include <torch/utils.h>

#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/methods/csq/csq_method.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

std::shared_ptr<SmallNetwork> csq_network(int64_t bits) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/4);
  make_method("csq")->begin(*network, {LayerRules(bits)});
  return network;
}

std::shared_ptr<SmallNetwork> csq_network_of(const NetworkState& state) {
  auto network = csq_network(/*bits=*/1);
  load_network(*network, state);
  return network;
}

TrainerOptions run_options(int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.schedule = {};
  options.reestimate = 2;
  return options;
}

std::unique_ptr<Method> method_of(double strength) {
  CsqOptions options;
  options.target_comp = 8;
  options.strength = strength;
  return std::make_unique<CsqMethod>(options);
}

bool is_soft(torch::nn::Module& network) { return coded_sources(network).front().source().kind() == "csq"; }

TEST(CsqTraining, LearnsAndComesNearItsTarget) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  const auto network = csq_network(/*bits=*/8);
  TrainingRun run(network, method_of(/*strength=*/0.05), data, run_options(/*epochs=*/20));
  ASSERT_TRUE(run.trainer.run());
  EXPECT_FALSE(is_soft(*network));
  EXPECT_GT(run.recorder.reports.back().validation.top1(), 90);
  EXPECT_GT(sizes_of(*network).comp(), 6);
  EXPECT_LT(sizes_of(*network).comp(), 12);
  EXPECT_EQ(run.recorder.adjusted, (std::vector<int64_t>{15})) << "hard at three quarters";
}

TEST(CsqTraining, WithoutTheBudgetTermMorePlanesStay) {
  const auto bits_on = [](double strength) {
    torch::manual_seed(3);
    const auto data = easy_images(/*count=*/192);
    TrainingRun run(csq_network(/*bits=*/8), method_of(strength), data, run_options(/*epochs=*/20));
    run.trainer.run();
    return run.recorder.reports.back().metrics.front().second;
  };
  EXPECT_GT(bits_on(0), bits_on(0.05) + 1);
}

TEST(CsqTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(5);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = save_network(*csq_network(/*bits=*/4));
  const auto options = run_options(/*epochs=*/4);
  TrainingRun whole(csq_network_of(start), method_of(0.05), data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (int64_t stop = 1; stop < 12; ++stop) {
    SCOPED_TRACE(stop);
    TrainingRun part(csq_network_of(start), method_of(0.05), data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    TrainingRun rest(csq_network_of(save_network(*part.network)), method_of(0.05), data, options);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
  }
}

TEST(CsqTraining, AFileInTheMiddleSaysWhatTheNetworkIs) {
  torch::manual_seed(6);
  const auto data = easy_images(/*count=*/96);
  const auto network = csq_network(/*bits=*/4);
  TrainingRun run(network, method_of(0.05), data, run_options(/*epochs=*/8), /*stop_after=*/5);
  ASSERT_FALSE(run.trainer.run());
  ASSERT_TRUE(is_soft(*network));
  const auto state = save_network(*network);
  EXPECT_EQ(sizes_of(state).stored_bits, sizes_of(*network).stored_bits);
  EXPECT_EQ(sizes_of(state).comp(), sizes_of(*network).comp());
  const auto copy = csq_network_of(state);
  torch::NoGradGuard no_grad;
  network->eval();
  copy->eval();
  const auto images = torch::rand({4, 3, 8, 8});
  EXPECT_TRUE(torch::equal(copy->forward(images), network->forward(images)));
}

}  // namespace
}  // namespace bsq::test
