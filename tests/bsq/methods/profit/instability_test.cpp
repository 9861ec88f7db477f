#include "bsq/methods/profit/instability.h"

#include <torch/utils.h>

#include <cmath>

#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/nn/master_weight.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

// Channel by channel, number by number.
double slow_divergence(const torch::Tensor& now, const torch::Tensor& before) {
  const auto moments = [](const torch::Tensor& output, int64_t channel) {
    const auto values = output.select(/*dim=*/1, channel).flatten();
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < values.numel(); ++i) {
      sum += values[i].item<double>();
    }
    const double mean = sum / static_cast<double>(values.numel());
    for (int64_t i = 0; i < values.numel(); ++i) {
      squares += std::pow(values[i].item<double>() - mean, 2);
    }
    return std::make_pair(mean, std::sqrt(squares / static_cast<double>(values.numel() - 1)));
  };
  double sum = 0;
  int64_t counted = 0;
  for (int64_t channel = 0; channel < now.size(1); ++channel) {
    const auto [m, s] = moments(now, channel);
    const auto [m2, s2] = moments(before, channel);
    if (s > 0 && s2 > 0) {
      sum += std::log(s2 / s) + (s * s + (m - m2) * (m - m2)) / (2 * s2 * s2) - 0.5;
      ++counted;
    }
  }
  return sum / static_cast<double>(counted);
}

std::shared_ptr<SmallNetwork> quantized_network() {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
  for (auto conv : {network->conv1, network->conv2}) {
    const auto weight = conv->weight_source().value().detach();
    conv->set_weight(std::make_unique<MasterWeight>(weight, DuqQuantizer::for_weights(weight, 4, false)));
  }
  return network;
}

void move_weights(SmallNetwork& network, double by) {
  torch::NoGradGuard no_grad;
  network.conv2->named_parameters()["weight"].mul_(1 + by);
}

TEST(Instability, DivergenceIsTheSlowFormula) {
  torch::manual_seed(1);
  for (int trial = 0; trial < 20; ++trial) {
    const auto shape = std::vector<int64_t>{1 + trial % 3, 1 + trial % 4, 2 + trial % 2, 3};
    const auto now = torch::randn(shape, torch::kFloat64), before = torch::randn(shape, torch::kFloat64);
    EXPECT_NEAR(output_divergence(now, before), slow_divergence(now, before), 1e-10);
  }
}

TEST(Instability, SameOutputsDoNotDivergeAndFlatChannelsDoNotCount) {
  torch::manual_seed(2);
  const auto x = torch::randn({4, 3, 5, 5});
  EXPECT_NEAR(output_divergence(x, x), 0, 1e-12);
  auto flat = x.clone();
  flat.select(1, 0).fill_(0);
  EXPECT_NEAR(output_divergence(flat, 2 * x), output_divergence(x.slice(1, 1), 2 * x.slice(1, 1)), 1e-10);
  EXPECT_TRUE(std::isnan(output_divergence(torch::ones({2, 1, 3, 3}), x.slice(1, 0, 1))));
}

TEST(Instability, AMovingAverageOfWhatStepsChange) {
  torch::manual_seed(3);
  const auto network = quantized_network();
  const auto images = torch::rand({4, 3, 6, 6});
  InstabilityMeter meter(*network);
  EXPECT_EQ(meter.paths(), (std::vector<std::string>{"conv1", "conv2"}));
  network->train();
  meter.start();
  torch::Tensor input;
  const auto read = [&] {  // what conv2 reads
    torch::NoGradGuard no_grad;
    return network->relu1(network->bn1(network->conv1(images)));
  };
  double expected = 0;
  torch::Tensor before;
  for (int step = 0; step < 3; ++step) {
    network->forward(images);
    input = read();
    const auto now = network->conv2->weight_source().value().detach();
    if (step > 0) {
      torch::NoGradGuard no_grad;
      const auto bias = network->conv2->bias_source()->value();
      expected = 0.999 * expected + 0.001 * slow_divergence(network->conv2->convolve(input, now, bias),
                                                            network->conv2->convolve(input, before, bias));
    }
    EXPECT_NEAR(meter.metric()[1].item<double>(), expected, 1e-6 * expected) << step;
    before = now;
    meter.end_step();
    move_weights(*network, 0.2);
  }
  EXPECT_GT(expected, 0);
  EXPECT_NEAR(meter.metric()[0].item<double>(), 0, 1e-9) << "conv1 has not moved";
  EXPECT_EQ(meter.most_unstable(1), std::vector<std::string>{"conv2"});
  EXPECT_EQ(meter.most_unstable(2), (std::vector<std::string>{"conv2", "conv1"}));
}

TEST(Instability, TheFirstStepOfAnEpochAndEvaluationDoNotCount) {
  torch::manual_seed(4);
  const auto network = quantized_network();
  const auto images = torch::rand({4, 3, 6, 6});
  InstabilityMeter meter(*network);
  network->train();
  meter.start();
  network->forward(images);
  meter.end_step();
  move_weights(*network, 0.3);
  {
    torch::NoGradGuard no_grad;
    network->forward(images);
  }
  network->eval();
  network->forward(images);
  network->train();
  meter.start();
  network->forward(images);
  EXPECT_EQ(meter.metric().abs().max().item<double>(), 0);
  meter.stop();
  meter.end_step();
  move_weights(*network, 0.3);
  network->forward(images);
  EXPECT_EQ(meter.metric().abs().max().item<double>(), 0);
}

TEST(Instability, FloatConvolutionsAreNotRanked) {
  SmallNetwork network(/*activation_bits=*/0);
  const InstabilityMeter meter(network);
  EXPECT_EQ(meter.quantized(), 0);
  EXPECT_TRUE(meter.most_unstable(2).empty());
}

}  // namespace
}  // namespace bsq::test
