#include <torch/utils.h>

#include "bsq/methods/methods.h"
#include "bsq/methods/msq/msq_method.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "tests/bsq/nn/small_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

std::shared_ptr<SmallNetwork> msq_network(int64_t bits) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/4);
  make_method("msq")->begin(*network, {LayerRules(bits)});
  return network;
}

std::shared_ptr<SmallNetwork> msq_network_of(const NetworkState& state) {
  auto network = msq_network(/*bits=*/1);
  load_network(*network, state);
  return network;
}

TrainerOptions run_options(int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.weight_decay = 1e-4;
  options.schedule = {};
  return options;
}

MsqOptions msq_options(double alpha, double threshold = 25) {
  MsqOptions options;
  options.alpha = alpha;
  options.threshold = threshold;
  options.adjust_every = 1;
  options.freeze_at = 0.75;
  return options;
}

std::unique_ptr<Method> method_of(const MsqOptions& options) { return std::make_unique<MsqMethod>(options); }

TEST(MsqTraining, ThePenaltyTakesBitsAndTheNetworkLearns) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  const auto network = msq_network(/*bits=*/6);
  const double before = sizes_of(*network).comp();
  TrainingRun run(network, method_of(msq_options(/*alpha=*/1)), data, run_options(/*epochs=*/12));
  ASSERT_TRUE(run.trainer.run());
  EXPECT_GT(sizes_of(*network).comp(), 1.2 * before);
  EXPECT_GT(run.recorder.reports.back().validation.top1(), 90);
  for (const auto& [layer, bits] : scheme_of(*network)) {
    EXPECT_GE(bits.weight, 1) << layer;
  }
}

TEST(MsqTraining, WithThePenaltyFewerWeightsUseTheBit) {
  const auto percent = [](double alpha) {
    torch::manual_seed(3);
    const auto data = easy_images(/*count=*/192);
    auto options = msq_options(alpha, /*threshold=*/0);
    options.freeze_at = 1;
    TrainingRun run(msq_network(/*bits=*/6), method_of(options), data, run_options(/*epochs=*/20));
    run.trainer.run();
    return run.recorder.reports.back().metrics.front().second;
  };
  EXPECT_LT(percent(0.005), 0.3 * percent(0));
}

TEST(MsqTraining, ARunArrivesAtItsTargetWhateverTheThreshold) {
  for (const double threshold : {0.0, 100.0}) {
    SCOPED_TRACE(threshold);
    torch::manual_seed(4);
    const auto data = easy_images(/*count=*/96);
    const auto network = msq_network(/*bits=*/8);
    auto options = msq_options(/*alpha=*/0.005, threshold);
    options.target_comp = 5;
    TrainingRun run(network, method_of(options), data, run_options(/*epochs=*/8));
    ASSERT_TRUE(run.trainer.run());
    EXPECT_GE(sizes_of(*network).comp(), 5);
    EXPECT_LT(sizes_of(*network).comp(), 6.5) << "one layer of this small network has 70 % of the weights";
  }
}

TEST(MsqTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(5);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = save_network(*msq_network(/*bits=*/6));
  const auto method = msq_options(/*alpha=*/1, /*threshold=*/60);
  const auto options = run_options(/*epochs=*/4);
  TrainingRun whole(msq_network_of(start), method_of(method), data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (int64_t stop = 1; stop < 12; ++stop) {
    SCOPED_TRACE(stop);
    TrainingRun part(msq_network_of(start), method_of(method), data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    TrainingRun rest(msq_network_of(save_network(*part.network)), method_of(method), data, options);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
  }
  EXPECT_GT(sizes_of(*whole.network).comp(), sizes_of(start).comp()) << "bits were lost on the way";
}

}  // namespace
}  // namespace bsq::test
