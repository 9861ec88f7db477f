#include "bsq/data/synthetic.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include "bsq/data/loader.h"
#include "tests/bsq/data/support.h"
#include "tests/support.h"

namespace bsq {
namespace {

namespace nn = torch::nn;
using test::same_bits;

// 64-bit FNV-1a of the image bytes.
uint64_t checksum(const torch::Tensor& images) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  const uint8_t* const bytes = images.data_ptr<uint8_t>();
  for (int64_t i = 0; i < images.numel(); ++i) {
    hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  }
  return hash;
}

TEST(Synthetic, HasTheStatedSizesAndBalancedClasses) {
  const DatasetSplits splits = load_synthetic(1234);
  EXPECT_EQ(splits.train.images.sizes(), (std::vector<int64_t>{5000, 3, 32, 32}));
  EXPECT_EQ(splits.test.images.sizes(), (std::vector<int64_t>{1000, 3, 32, 32}));
  EXPECT_EQ(splits.train.images.scalar_type(), torch::kUInt8);
  EXPECT_EQ(splits.train.classes, 10);
  EXPECT_TRUE(same_bits(splits.train.labels.bincount(), torch::full({10}, 500, torch::kInt64)));
  EXPECT_TRUE(same_bits(splits.test.labels.bincount(), torch::full({10}, 100, torch::kInt64)));
}

TEST(Synthetic, TheSeedGivesTheSameBytesEverywhere) {
  EXPECT_EQ(checksum(draw_synthetic(1234, SyntheticSplit::kTrain, 100).images), 9031904115269284274ULL);
  EXPECT_EQ(checksum(draw_synthetic(1234, SyntheticSplit::kTest, 100).images), 6758401256834182736ULL);
}

TEST(Synthetic, ImagesDependOnSeedSplitAndIndexAlone) {
  const auto draw = [](uint64_t seed, SyntheticSplit split, int64_t count) {
    return draw_synthetic(seed, split, count).images;
  };
  const torch::Tensor images = draw(5, SyntheticSplit::kTrain, 40);
  EXPECT_TRUE(same_bits(images.slice(0, 0, 20).contiguous(), draw(5, SyntheticSplit::kTrain, 20)));
  for (int64_t i = 0; i < 40; ++i) {
    EXPECT_FALSE(same_bits(images[i], draw(6, SyntheticSplit::kTrain, 40)[i]));
    EXPECT_FALSE(same_bits(images[i], draw(5, SyntheticSplit::kTest, 40)[i]));
  }
  EXPECT_EQ(draw_synthetic(5, SyntheticSplit::kTest, 0).size(), 0);
}

// Threads that wait for each other crawl on a busy machine.
class OneThread {
 public:
  OneThread() { torch::set_num_threads(1); }
  ~OneThread() { torch::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int before_ = torch::get_num_threads();
};

double accuracy(nn::Sequential& network, const ImageDataset& data) {
  const torch::NoGradGuard no_grad;
  network->eval();
  LoaderOptions options;
  options.batch_size = 250;
  BatchLoader loader(data, options);
  loader.start(0);
  int64_t right = 0;
  while (const auto batch = loader.next()) {
    right += (network->forward(batch->images).argmax(1) == batch->labels).sum().item<int64_t>();
  }
  return static_cast<double>(right) / static_cast<double>(data.size());
}

void train(nn::Sequential& network, const ImageDataset& data, double learning_rate, int64_t epochs) {
  network->train();
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(learning_rate).momentum(0.9));
  LoaderOptions options;
  options.shuffle = true;
  options.batch_size = 50;
  BatchLoader loader(data, options);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    loader.start(epoch);
    while (const auto batch = loader.next()) {
      optimizer.zero_grad();
      torch::nn::functional::cross_entropy(network->forward(batch->images), batch->labels).backward();
      optimizer.step();
    }
  }
}

nn::Sequential linear_model() { return nn::Sequential(nn::Flatten(), nn::Linear(3 * 32 * 32, 10)); }

nn::Sequential convolutional_model() {
  nn::Sequential network;
  int64_t in = 3;
  for (const int64_t out : {16, 32, 64}) {
    network->push_back(nn::Conv2d(nn::Conv2dOptions(in, out, /*kernel_size=*/3).padding(1).bias(false)));
    network->push_back(nn::BatchNorm2d(out));
    network->push_back(nn::ReLU());
    network->push_back(nn::MaxPool2d(2));
    in = out;
  }
  network->push_back(nn::AdaptiveMaxPool2d(1));
  network->push_back(nn::Flatten());
  network->push_back(nn::Linear(in, 10));
  return network;
}

TEST(Synthetic, ALinearModelOnPixelsDoesNotLearnIt) {
  const OneThread one_thread;
  torch::manual_seed(1);
  const DatasetSplits splits = load_synthetic(1234);
  nn::Sequential network = linear_model();
  train(network, splits.train, /*learning_rate=*/1e-3, /*epochs=*/6);
  const double found = accuracy(network, splits.test);
  RecordProperty("accuracy", std::to_string(found));
  EXPECT_LT(found, 0.5);
}

TEST(Synthetic, ASmallConvolutionalNetworkLearnsIt) {
  const OneThread one_thread;
  torch::manual_seed(1);
  const DatasetSplits splits = load_synthetic(1234);
  nn::Sequential network = convolutional_model();
  const ImageDataset images = splits.train.subset(0, 1500);
  train(network, images, /*learning_rate=*/0.05, /*epochs=*/5);
  train(network, images, /*learning_rate=*/0.005, /*epochs=*/1);
  const double found = accuracy(network, splits.test);
  RecordProperty("accuracy", std::to_string(found));
  EXPECT_GT(found, 0.7);
}

}  // namespace
}  // namespace bsq
