#include <torch/utils.h>

#include "tests/bsq/methods/dorefa/dorefa_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

RunOptions run_options(int64_t epochs) {
  RunOptions options;
  options.method = "dorefa";
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.weight_decay = 1e-4;
  options.schedule = {};
  return options;
}

TEST(DorefaTraining, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = save_network(*dorefa_network());
  const auto options = run_options(/*epochs=*/3);
  TrainingRun whole(dorefa_network_of(start), data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (int64_t stop = 1; stop < 9; ++stop) {
    TrainingRun part(dorefa_network_of(start), data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    TrainingRun rest(dorefa_network_of(save_network(*part.network)), data, options);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
  }
}

TEST(DorefaTraining, FewBitsLearn) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  for (const int64_t bits : {1, 2}) {
    const auto network = dorefa_network(bits);
    TrainingRun run(network, data, run_options(/*epochs=*/10));
    ASSERT_TRUE(run.trainer.run());
    const auto& reports = run.recorder.reports;
    EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss) << bits;
    EXPECT_GT(reports.back().validation.top1(), 90) << bits;
    EXPECT_EQ(scheme_of(*network), (Scheme{{"conv2", {bits, 0}}}));
  }
}

}  // namespace
}  // namespace bsq::test
