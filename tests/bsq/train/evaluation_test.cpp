#include "bsq/train/evaluation.h"

#include <torch/utils.h>

#include <cmath>

#include "bsq/nn/network_state.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

// One image at a time, by loops.
Evaluation slow_evaluation(Network& network, const ImageDataset& data) {
  torch::NoGradGuard no_grad;
  network.eval();
  Evaluation result;
  BatchLoader loader(data, loader_options(/*batch_size=*/1));
  loader.start(/*epoch=*/0);
  while (const auto batch = loader.next()) {
    const auto logits = values_of<double>(network.forward(batch->images));
    const auto label = batch->labels.item<int64_t>();
    double sum = 0;
    size_t best = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      sum += std::exp(logits[i]);
      best = logits[i] > logits[best] ? i : best;
    }
    result.loss += std::log(sum) - logits[static_cast<size_t>(label)];
    result.correct += static_cast<int64_t>(best) == label ? 1 : 0;
    ++result.images;
  }
  result.loss /= static_cast<double>(result.images);
  return result;
}

TEST(Evaluation, MatchesOneImageAtATime) {
  torch::manual_seed(1);
  const auto data = easy_images(101);
  for (const int64_t activation_bits : {0, 4}) {
    SmallNetwork network(activation_bits);
    network.forward(torch::randn({16, 3, 8, 8}));
    const auto expected = slow_evaluation(network, data);
    for (const int64_t batch_size : {7, 50, 101, 200}) {
      BatchLoader loader(data, loader_options(batch_size));
      const auto result = evaluate(network, loader);
      EXPECT_EQ(result.images, 101);
      EXPECT_EQ(result.correct, expected.correct) << batch_size;
      EXPECT_NEAR(result.loss, expected.loss, 1e-3) << batch_size;
      EXPECT_DOUBLE_EQ(result.top1(), 100.0 * static_cast<double>(expected.correct) / 101);
    }
  }
}

TEST(Evaluation, LeavesTheNetworkAsItWas) {
  torch::manual_seed(2);
  SmallNetwork network;
  network.forward(torch::randn({16, 3, 8, 8}));
  BatchLoader loader(easy_images(20), loader_options(/*batch_size=*/8));
  for (const bool is_training : {true, false}) {
    network.train(is_training);
    const auto before = save_network(network);
    evaluate(network, loader);
    EXPECT_EQ(network.is_training(), is_training);
    EXPECT_EQ(network.bn1->is_training(), is_training);
    expect_same_state(save_network(network), before);
  }
}

TEST(Evaluation, NoImagesGiveZero) {
  const Evaluation nothing;
  EXPECT_EQ(nothing.top1(), 0.0);
  torch::manual_seed(3);
  SmallNetwork network;
  auto options = loader_options(/*batch_size=*/8);
  options.drop_last = true;
  BatchLoader loader(easy_images(5), options);
  const auto result = evaluate(network, loader);
  EXPECT_EQ(result.images, 0);
  EXPECT_EQ(result.loss, 0.0);
}

TEST(Evaluation, CalibrationAveragesTheMaximaOfTheFirstBatches) {
  torch::manual_seed(4);
  const auto data = easy_images(60);
  SmallNetwork network;
  network.bn1->forward(torch::randn({16, 8, 4, 4}));
  ASSERT_TRUE(needs_calibration(network));
  BatchLoader loader(data, loader_options(/*batch_size=*/10));
  for (const int64_t batches : {1, 3, 6, 100}) {
    network.train();
    calibrate(network, loader, batches);
    EXPECT_TRUE(network.is_training());
    EXPECT_FALSE(needs_calibration(network));
    network.eval();
    torch::NoGradGuard no_grad;
    double sum = 0;
    const int64_t used = std::min<int64_t>(batches, 6);
    loader.start(/*epoch=*/0);
    for (int64_t done = 0; done < used; ++done) {
      const auto x = network.bn1(network.conv1(loader.next()->images));
      sum += torch::relu6(x).max().item<double>();
    }
    EXPECT_NEAR(network.named_buffers()["relu1.range"].item<double>(), sum / static_cast<double>(used), 1e-5)
        << batches;
  }
}

TEST(Evaluation, CalibrationLeavesWeightsAndStatistics) {
  torch::manual_seed(5);
  SmallNetwork network;
  auto before = save_network(network);
  BatchLoader loader(easy_images(20), loader_options(/*batch_size=*/10));
  calibrate(network, loader, /*batches=*/2);
  auto after = save_network(network);
  ASSERT_EQ(before.back().first, "relu1.range");
  before.pop_back();
  after.pop_back();
  expect_same_state(after, before);
}

TEST(Evaluation, FloatActivationsNeedNoCalibration) {
  SmallNetwork network(/*activation_bits=*/0);
  EXPECT_FALSE(needs_calibration(network));
}

// By hand, for the first norm and the activation behind it.
TEST(Evaluation, ReestimatedStatisticsAreTheAveragesOverTheBatches) {
  torch::manual_seed(5);
  SmallNetwork network(/*activation_bits=*/4);
  for (int i = 0; i < 3; ++i) {
    network.forward(3 * torch::randn({16, 3, 8, 8}));
  }
  network.eval();
  BatchLoader loader(easy_images(100), loader_options(/*batch_size=*/16));
  const auto tracked = network.bn1->num_batches_tracked.clone();
  reestimate_statistics(network, loader, /*epoch=*/0, /*batches=*/5);
  EXPECT_FALSE(network.is_training());
  EXPECT_EQ(network.bn1->options.momentum(), 0.1);
  EXPECT_TRUE(torch::equal(network.bn1->num_batches_tracked, tracked));

  torch::NoGradGuard no_grad;
  torch::Tensor mean = torch::zeros({8});
  torch::Tensor variance = torch::zeros({8});
  double range = 0;
  loader.start(/*epoch=*/0);
  for (int i = 0; i < 5; ++i) {
    const auto x = network.conv1->forward(loader.next()->images);
    const auto batch_variance = x.var({0, 2, 3}, /*unbiased=*/false);
    const auto normal = (x - x.mean({0, 2, 3}, true)) / (batch_variance + 1e-5).sqrt().view({1, 8, 1, 1});
    range += normal.clamp(0, 6).max().item<double>() / 5;
    mean += x.mean({0, 2, 3}) / 5;
    variance += x.var({0, 2, 3}, /*unbiased=*/true) / 5;
  }
  EXPECT_TRUE(torch::allclose(network.bn1->running_mean, mean, 1e-4, 1e-5));
  EXPECT_TRUE(torch::allclose(network.bn1->running_var, variance, 1e-4, 1e-5));
  EXPECT_NEAR(network.named_buffers()["relu1.range"].item<double>(), range, 1e-4);
}

// One image would count as much as fifteen.
TEST(Evaluation, AShortLastBatchIsLeftOut) {
  torch::manual_seed(6);
  SmallNetwork a(/*activation_bits=*/4);
  SmallNetwork b(/*activation_bits=*/4);
  load_network(b, save_network(a));
  const auto data = easy_images(16);
  BatchLoader all(data, loader_options(/*batch_size=*/15));
  BatchLoader whole(data.subset(0, 15), loader_options(/*batch_size=*/15));
  reestimate_statistics(a, all, /*epoch=*/0, /*batches=*/10);
  reestimate_statistics(b, whole, /*epoch=*/0, /*batches=*/10);
  expect_same_state(save_network(a), save_network(b));
  calibrate(a, all, /*batches=*/10);
  calibrate(b, whole, /*batches=*/10);
  expect_same_state(save_network(a), save_network(b));
}

TEST(Evaluation, AnEpochIsTheMostThatIsReestimatedFrom) {
  torch::manual_seed(6);
  SmallNetwork a(/*activation_bits=*/4);
  SmallNetwork b(/*activation_bits=*/4);
  load_network(b, save_network(a));
  BatchLoader loader(easy_images(40), loader_options(/*batch_size=*/16));
  reestimate_statistics(a, loader, /*epoch=*/1, /*batches=*/3);
  reestimate_statistics(b, loader, /*epoch=*/1, /*batches=*/300);
  EXPECT_TRUE(torch::equal(a.bn1->running_var, b.bn1->running_var));
}

}  // namespace
}  // namespace bsq::test
