#include <torch/utils.h>

#include "bsq/nn/network_sizes.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

constexpr double kLearned = 90;

RunOptions options_for(const std::string& method, int64_t epochs) {
  RunOptions options;
  options.method = method;
  options.epochs = epochs;
  options.learning_rate = method == "frozen" ? 0.01 : 0.1;
  options.schedule = {};
  options.weight_decay = 1e-4;
  options.bsq.alpha = 0.05;
  options.bsq.adjust_every = 4;
  return options;
}

std::vector<EpochReport> train(std::shared_ptr<SmallNetwork> network, const ImageDataset& data,
                               const RunOptions& options) {
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

  const auto floats = train(network, data, options_for("float", 8));
  EXPECT_LT(floats.back().train_loss, 0.5 * floats.front().train_loss);
  EXPECT_GT(floats.back().validation.top1(), kLearned);

  make_method("bsq")->begin(*network, {LayerRules(8)});
  EXPECT_DOUBLE_EQ(sizes_of(*network).comp(), 4.0);
  const auto bits = train(network, data, options_for("bsq", 16));
  EXPECT_LT(metric_in(bits.back(), "Reg Loss"), 0.7 * metric_in(bits.front(), "Reg Loss"));
  EXPECT_GT(bits.back().validation.top1(), kLearned);
  EXPECT_GT(sizes_of(*network).comp(), 4.0) << "planes were dropped";

  BatchLoader loader(data, loader_options(/*batch_size=*/64));
  make_method("frozen")->begin(*network, {LayerRules(8)});
  const auto scheme = scheme_of(*network);
  const auto before = evaluate(*network, loader);
  const auto finetuned = train(network, data, options_for("frozen", 4));
  EXPECT_LE(finetuned.back().validation.loss, before.loss);
  EXPECT_GT(finetuned.back().validation.top1(), kLearned);
  EXPECT_EQ(scheme_of(*network), scheme);

  const auto frozen = evaluate(*network, loader);
  make_float(*network);
  EXPECT_EQ(evaluate(*network, loader).loss, frozen.loss) << "the float export computes the same";
}

TEST(Learning, ThePenaltyIsWhatDropsPlanes) {
  torch::manual_seed(2);
  const auto data = easy_images(96);
  const auto start = save_network(*network_for("bsq"));
  const auto penalty_after = [&](double strength) {
    auto network = std::make_shared<SmallNetwork>();
    load_network(*network, start);
    auto options = options_for("bsq", 4);
    options.bsq.alpha = strength;
    train(network, data, options);
    return network_penalty(*network).item<double>();
  };
  EXPECT_LT(penalty_after(0.5), 0.8 * penalty_after(0));
}

}  // namespace
}  // namespace bsq::test
