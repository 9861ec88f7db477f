#include "bsq/train/statistics.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

constexpr double kLearned = 90;

TrainerOptions options_for(TrainingMethod method, int64_t epochs) {
  TrainerOptions options;
  options.method = method;
  options.epochs = epochs;
  options.learning_rate = method == TrainingMethod::kFinetune ? 0.01 : 0.1;
  options.schedule = {};
  options.weight_decay = 1e-4;
  options.penalty = 0.05;
  options.adjustment_interval = 4;
  return options;
}

std::vector<EpochReport> train(std::shared_ptr<SmallNetwork> network, const ImageDataset& data,
                               const TrainerOptions& options) {
  TrainingRun run(std::move(network), data, options);
  EXPECT_TRUE(run.trainer.run());
  run.trainer.finish();
  return run.recorder.reports;
}

// The whole way of a model: float, bits with the penalty, finetuning, float again.
TEST(Learning, ATinyNetworkLearnsShrinksAndRecovers) {
  torch::manual_seed(1);
  const auto data = easy_images(192);
  const auto network = std::make_shared<SmallNetwork>();

  const auto floats = train(network, data, options_for(TrainingMethod::kFloat, 8));
  EXPECT_LT(floats.back().train_loss, 0.5 * floats.front().train_loss);
  EXPECT_GT(floats.back().validation.top1(), kLearned);

  convert_to_bits(*network, /*bits=*/8);
  EXPECT_DOUBLE_EQ(compression_of(*network).comp, 4.0);
  const auto bits = train(network, data, options_for(TrainingMethod::kBits, 16));
  EXPECT_LT(bits.back().penalty, 0.7 * bits.front().penalty);
  EXPECT_GT(bits.back().validation.top1(), kLearned);
  EXPECT_GT(compression_of(*network).comp, 4.0) << "planes were dropped";

  BatchLoader loader(data, loader_options(/*batch_size=*/64));
  freeze_network(*network);
  const auto scheme = scheme_of(*network);
  const auto before = evaluate(*network, loader);
  const auto finetuned = train(network, data, options_for(TrainingMethod::kFinetune, 4));
  EXPECT_LE(finetuned.back().validation.loss, before.loss);
  EXPECT_GT(finetuned.back().validation.top1(), kLearned);
  EXPECT_EQ(scheme_of(*network), scheme);

  const auto frozen = evaluate(*network, loader);
  make_float_network(*network);
  EXPECT_EQ(evaluate(*network, loader).loss, frozen.loss) << "the float export computes the same";
}

TEST(Learning, ThePenaltyIsWhatDropsPlanes) {
  torch::manual_seed(2);
  const auto data = easy_images(96);
  const auto start = save_network(*network_for(TrainingMethod::kBits));
  const auto penalty_after = [&](double strength) {
    auto network = std::make_shared<SmallNetwork>();
    load_network(*network, start);
    auto options = options_for(TrainingMethod::kBits, 4);
    options.penalty = strength;
    train(network, data, options);
    return network_penalty(*network).item<double>();
  };
  EXPECT_LT(penalty_after(0.5), 0.8 * penalty_after(0));
}

}  // namespace
}  // namespace bsq::test
