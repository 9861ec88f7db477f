#include <torch/utils.h>

#include "tests/bsq/methods/int8/int8_network.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

TrainerOptions run_options(int64_t epochs) {
  TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = 0.05;
  options.weight_decay = 1e-4;
  options.schedule = {};
  return options;
}

/// An int8 run from a stored network on, as a program makes it.
struct Int8Run {
  Int8Run(const NetworkState& start, const ImageDataset& data, const TrainerOptions& options,
          int64_t stop_after = -1)
      : method(make_method("int8")),
        network(int8_network_of(start, *method)),
        training(data, loader_options(/*batch_size=*/32, /*is_training=*/true)),
        validation(data, loader_options(/*batch_size=*/40)),
        recorder(stop_after),
        trainer(network, *method, training, validation, options, recorder) {}

  std::unique_ptr<Method> method;
  std::shared_ptr<Network> network;
  BatchLoader training, validation;
  Recorder recorder;
  Trainer trainer;
};

NetworkState start_of_run() {
  const auto method = make_method("int8");
  return save_network(*int8_network(*method));
}

TEST(Int8Training, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);  // three steps an epoch
  const auto start = start_of_run();
  const auto options = run_options(/*epochs=*/2);
  Int8Run whole(start, data, options);
  ASSERT_TRUE(whole.trainer.run());
  for (int64_t stop = 1; stop < 6; ++stop) {
    SCOPED_TRACE(stop);
    Int8Run part(start, data, options, stop);
    ASSERT_FALSE(part.trainer.run());
    Int8Run rest(save_network(*part.network), data, options);
    rest.trainer.resume(part.trainer.state());
    ASSERT_TRUE(rest.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
    for (const auto& [name, tensor] : rest.trainer.state().optimizer) {
      EXPECT_TRUE(torch::equal(tensor, whole.trainer.state().optimizer.at(name))) << name;
    }
    EXPECT_TRUE(torch::equal(rest.trainer.state().method.at("noise_step"), torch::tensor(int64_t{6})));
  }
}

TEST(Int8Training, Learns) {
  torch::manual_seed(2);
  const auto data = easy_images(/*count=*/192);
  Int8Run run(start_of_run(), data, run_options(/*epochs=*/8));
  ASSERT_TRUE(run.trainer.run());
  const auto& reports = run.recorder.reports;
  EXPECT_LT(reports.back().train_loss, 0.5 * reports.front().train_loss);
  EXPECT_GT(reports.back().validation.top1(), 90);
}

}  // namespace
}  // namespace bsq::test
