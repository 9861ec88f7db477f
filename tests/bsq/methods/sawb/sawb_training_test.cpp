#include <torch/utils.h>

#include "bsq/base/options.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

// Weights of SAWB; the activations of this network, whose forward() is written by hand, are float.
std::shared_ptr<SmallNetwork> sawb_network(bool is_channel_wise, int64_t bits) {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
  const auto method = make_method("sawb");
  OptionTable table;
  method->add_options(table);
  table.set("channel-wise", is_channel_wise ? "true" : "false");
  method->begin(*network, {LayerRules(bits)});
  return network;
}

RunOptions run_options(int64_t epochs) {
  RunOptions options;
  options.method = "sawb";
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.weight_decay = 1e-4;
  options.schedule = {};
  return options;
}

TEST(SawbTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto options = run_options(/*epochs=*/2);
  const auto start = save_network(*sawb_network(/*is_channel_wise=*/true, /*bits=*/4));
  const auto from = [](const NetworkState& state) {
    auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
    load_network(*network, state);
    return network;
  };
  TrainingRun whole(from(start), data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (int64_t stop = 1; stop < 6; ++stop) {
    TrainingRun part(from(start), data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    TrainingRun rest(from(save_network(*part.network)), data, options);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
  }
}

TEST(SawbTraining, FewBitsLearn) {
  for (const int64_t bits : {2, 4}) {
    for (const bool is_channel_wise : {false, true}) {
      torch::manual_seed(2);
      const auto data = easy_images(/*count=*/192);
      const auto network = sawb_network(is_channel_wise, bits);
      TrainingRun run(network, data, run_options(/*epochs=*/10));
      ASSERT_TRUE(run.trainer.run());
      const auto& reports = run.recorder.reports;
      EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss) << bits;
      EXPECT_GT(reports.back().validation.top1(), 90) << bits;
    }
  }
}

}  // namespace
}  // namespace bsq::test
