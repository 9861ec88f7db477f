#include "bsq/train/weight_average.h"

#include <torch/utils.h>

#include <algorithm>
#include <stdexcept>

#include "bsq/nn/layers_of.h"
#include "tests/bsq/train/training_run.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

TEST(WeightAverage, IsTheSumOfDecayingParts) {
  torch::manual_seed(1);
  torch::NoGradGuard no_grad;
  SmallNetwork network;
  auto parameter = network.named_parameters()["conv1.weight"];
  auto expected = parameter.to(torch::kFloat64);
  WeightAverage average(/*decay=*/0.5);
  average.begin(network);
  for (int step = 0; step < 20; ++step) {
    parameter.copy_(torch::randn_like(parameter));
    const double decay = std::min(0.5, (1.0 + step) / (10.0 + step));
    expected = decay * expected + (1 - decay) * parameter.to(torch::kFloat64);
    average.after_step();
  }
  const auto last = parameter.clone();
  average.exchange(network);
  EXPECT_TRUE(torch::allclose(parameter.to(torch::kFloat64), expected, 1e-5, 1e-6));
  average.exchange(network);
  EXPECT_TRUE(torch::equal(parameter, last));
}

TEST(WeightAverage, RefusesOtherDecays) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { WeightAverage(1.0); }),
            "average of weights: decay 1.000000; expected 0 to below 1");
}

TEST(WeightAverage, IsWhatLayersOfPlanesComputeWith) {
  torch::manual_seed(2);
  torch::NoGradGuard no_grad;
  const auto network = network_for("bsq");
  const auto x = torch::randn({2, 3, 8, 8});
  network->eval();
  const auto before = network->forward(x);
  WeightAverage average(/*decay=*/0.9);
  average.begin(*network);
  for (auto& item : network->named_parameters()) {
    if (item.key() == "conv1.weight.scale" || item.key() == "conv1.scale") {
      item.value().mul_(3);
    }
  }
  for (const auto& ref : sources_of(*network)) {
    ref.source().refresh();
  }
  EXPECT_FALSE(torch::equal(network->forward(x), before));
  average.exchange(*network);
  EXPECT_TRUE(torch::equal(network->forward(x), before));
}

RunOptions averaged_options() {
  RunOptions options;
  options.method = "float";
  options.epochs = 3;
  options.learning_rate = 0.05;
  options.reestimate = 2;
  options.average_decay = 0.9;
  return options;
}

// The averages of a run are not what it trains: both runs make the same steps.
TEST(WeightAverage, IsWhatIsEvaluatedAndKeptWhileTrainingGoesOnWithoutIt) {
  torch::manual_seed(1);
  const auto data = easy_images(/*count=*/96);
  const auto start = save_network(*network_for("float", /*activation_bits=*/0));
  const auto loaded = [&] {
    auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
    load_network(*network, start);
    return network;
  };
  auto options = averaged_options();
  TrainingRun averaged(loaded(), data, options);
  options.average_decay = 0;
  TrainingRun plain(loaded(), data, options);
  ASSERT_TRUE(averaged.trainer.run());
  ASSERT_TRUE(plain.trainer.run());
  for (size_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_NEAR(averaged.recorder.reports.at(epoch).train_loss, plain.recorder.reports.at(epoch).train_loss,
                1e-4);
  }
  const auto kept = averaged.network->named_parameters()["conv1.weight"];
  const auto last = plain.network->named_parameters()["conv1.weight"];
  EXPECT_FALSE(torch::allclose(kept, last));
  const auto trained = averaged.trainer.state().method.at("average.conv1.weight");
  EXPECT_TRUE(torch::allclose(trained, last, 1e-3, 1e-4));
}

}  // namespace
}  // namespace bsq::test
