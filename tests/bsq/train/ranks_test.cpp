#include <torch/utils.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "bsq/data/batch_maker.h"
#include "bsq/methods/int8/range_norm_ste.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "bsq/quant/norm_act_ste.h"
#include "bsq/train/gradient_exchange.h"
#include "bsq/train/shared_state.h"
#include "bsq/train/trainer.h"
#include "models/registry.h"
#include "tests/bsq/train/thread_ranks.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

constexpr int64_t kBatch = 8;

std::mutex generator_mutex;  // ranks on threads share libtorch's generator

/// What a run comes to, step by step.
struct Course {
  std::vector<torch::Tensor> values;  ///< after each step all parameters and buffers, float64
  std::vector<Scheme> schemes;        ///< after each adjustment
  std::vector<double> losses;         ///< of each epoch: training, validation
  NetworkState network;
};

class CourseRecorder : public TrainerObserver {
 public:
  CourseRecorder(Network& network, Course& course) : network_(network), course_(course) {}
  void on_step(int64_t, double, double) override {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> all;
    std::map<std::string, torch::Tensor> tensors;  // an exchanged weight is registered behind the others
    for (const auto& items : {network_.named_parameters(), network_.named_buffers()}) {
      for (const auto& item : items) {
        tensors[item.key()] = item.value();
      }
    }
    for (const auto& [name, tensor] : tensors) {
      all.push_back(tensor.flatten().to(torch::kFloat64));
    }
    course_.values.push_back(torch::cat(all));
  }
  void on_adjusted(int64_t) override { course_.schemes.push_back(scheme_of(network_)); }
  void on_epoch_end(const EpochReport& report) override {
    course_.losses.push_back(report.train_loss);
    course_.losses.push_back(report.validation.loss);
  }

 private:
  Network& network_;
  Course& course_;
};

struct Task {
  std::string method = "bsq";
  torch::ScalarType type = torch::kFloat32;
  bool shares_statistics = true;
  int64_t epochs = 2;
  int64_t images = 16;
  std::map<std::string, std::string> options;  ///< of the method
};

std::unique_ptr<Method> method_of(const Task& task) {
  auto method = make_method(task.method);
  OptionTable table;
  method->add_options(table);
  for (const auto& [name, text] : task.options) {
    table.set(name, text);
  }
  return method;
}

// The same network every time.
std::shared_ptr<Network> start_network(const Task& task, Method& method) {
  const std::lock_guard<std::mutex> lock(generator_mutex);
  torch::manual_seed(7);
  NetworkDescription description;
  description.architecture = "resnet";
  description.options = {{"depth", "8"}};
  description.classes = 3;
  auto network = make_network(method.adapted(description));
  network->to(task.type);
  method.begin(*network, {LayerRules(4), /*is_training=*/true});
  return network;
}

LoaderOptions shared_loader(const Task& task, LoaderShare::Kind kind) {
  LoaderOptions options;
  options.batch_size = kBatch;
  options.workers = 0;
  options.type = task.type;
  if (const auto* ranks = current_ranks()) {
    options.share = {kind, ranks->rank(), ranks->count()};
  }
  return options;
}

ImageDataset images_of(const Task& task) {
  const std::lock_guard<std::mutex> lock(generator_mutex);
  torch::manual_seed(3);
  return easy_images(task.images);
}

Course run_course(const Task& task) {
  Course course;
  const auto method = method_of(task);
  auto network = start_network(task, *method);
  const auto data = images_of(task);
  auto of_training = shared_loader(task, LoaderShare::Kind::kImages);
  of_training.shuffle = of_training.augment = true;
  BatchLoader training(data, of_training);
  BatchLoader validation(data, shared_loader(task, LoaderShare::Kind::kBatches));
  calibrate(*network, training, /*batches=*/1);
  CourseRecorder recorder(*network, course);
  TrainerOptions options;
  options.epochs = method->epochs() > 0 ? method->epochs() : task.epochs;
  options.learning_rate = 0.05;
  options.schedule = {};
  options.shares_statistics = task.shares_statistics;
  options.reestimate = 1;
  Trainer trainer(network, *method, training, validation, options, recorder);
  trainer.run();
  trainer.finish();
  course.network = save_network(*network);
  return course;
}

std::vector<Course> run_on_ranks(int64_t count, const Task& task) {
  std::vector<Course> courses(static_cast<size_t>(count));
  on_ranks(count, [&](Ranks& ranks) { courses[static_cast<size_t>(ranks.rank())] = run_course(task); });
  return courses;
}

void expect_close(const Course& one, const Course& other, double tolerance) {
  ASSERT_EQ(one.values.size(), other.values.size());
  for (size_t step = 0; step < one.values.size(); ++step) {
    ASSERT_EQ(one.values[step].sizes(), other.values[step].sizes()) << "step " << step;
    EXPECT_LE((one.values[step] - other.values[step]).abs().max().item<double>(), tolerance)
        << "step " << step;
  }
  EXPECT_EQ(one.schemes, other.schemes);
  ASSERT_EQ(one.losses.size(), other.losses.size());
  for (size_t i = 0; i < one.losses.size(); ++i) {
    EXPECT_NEAR(one.losses[i], other.losses[i], tolerance);
  }
}

void expect_same(const Course& one, const Course& other) {
  ASSERT_EQ(one.values.size(), other.values.size());
  for (size_t step = 0; step < one.values.size(); ++step) {
    ASSERT_TRUE(torch::equal(one.values[step], other.values[step])) << "step " << step;
  }
  EXPECT_EQ(one.losses, other.losses);
  expect_same_state(one.network, other.network);
}

// Three adjustments and the one at the end; the second batch of an epoch has 5 images, 2 of them rank 0's.
TEST(Ranks, TwoWithSharedStatisticsMatchOneProcessInFloat64) {
  Task task;
  task.type = torch::kFloat64;
  task.epochs = 3;
  task.images = 13;
  task.options = {{"step-rule", "published"}, {"alpha", "400"}, {"adjust-every", "1"}, {"thre", "20"}};
  const auto alone = run_course(task);
  EXPECT_EQ(alone.values.size(), 6U);
  EXPECT_EQ(alone.schemes.size(), 4U);
  EXPECT_NE(alone.schemes.front(), alone.schemes.back());
  expect_close(run_on_ranks(2, task)[1], alone, 1e-9);
}

TEST(Ranks, ThreeOfFoldedNormsMatchOneProcessInFloat64) {
  Task task;
  task.type = torch::kFloat64;
  task.epochs = 1;
  task.images = 11;
  task.method = "sawb";
  task.options = {{"fuse-norm", "true"}};
  expect_close(run_on_ranks(3, task)[2], run_course(task), 1e-9);
}

// Whether a run depends on nothing but its number of ranks, and whether all ranks are at the same bits.
TEST(Ranks, EveryMethodGivesTheSameBitsOnAllRanksAndInTwoRuns) {
  for (const auto& entry : methods()) {
    SCOPED_TRACE(entry.name);
    Task task;
    task.method = entry.name;
    task.epochs = 2;
    task.shares_statistics = entry.name == "bsq" || entry.name == "int8";
    if (entry.name == "profit") {
      task.options = {{"phase-scale", "0.01"}, {"activation-steps", "8,4"}, {"weight-steps", "8,4"}};
    }
    const auto first = run_on_ranks(2, task);
    expect_same(first[0], first[1]);
    expect_same(first[0], run_on_ranks(2, task)[0]);
  }
}

TEST(Ranks, WhatDiffersAtTheStartIsTakenFromTheFirst) {
  on_ranks(2, [](Ranks& ranks) {
    const Task task;
    const auto method = method_of(task);
    auto network = start_network(task, *method);
    if (ranks.rank() == 1) {
      torch::NoGradGuard no_grad;
      network->parameters().front().fill_(0.25);
    }
    const auto data = images_of(task);
    BatchLoader training(data, shared_loader(task, LoaderShare::Kind::kImages));
    BatchLoader validation(data, shared_loader(task, LoaderShare::Kind::kBatches));
    Course course;
    CourseRecorder recorder(*network, course);
    TrainerOptions options;
    options.epochs = 1;
    Trainer trainer(network, *method, training, validation, options, recorder);
    trainer.run();
    const auto values = ranks.gather(course.values.back());
    EXPECT_TRUE(torch::equal(values[0], values[1]));
  });
}

// Rank 1 changes a weight in the middle: the end of the epoch finds it.
TEST(Ranks, ThatHaveComeApartGoOnFromTheFirst) {
  on_ranks(2, [](Ranks& ranks) {
    class Disturber : public TrainerObserver {
     public:
      Disturber(Network& network, bool disturbs) : network_(network), disturbs_(disturbs) {}
      void on_step(int64_t step, double, double) override {
        if (disturbs_ && step == 1) {
          torch::NoGradGuard no_grad;
          network_.parameters().back().add_(0.5);
        }
      }
      void on_ranks_apart(int64_t epoch) override { apart.push_back(epoch); }
      std::vector<int64_t> apart;

     private:
      Network& network_;
      bool disturbs_;
    };
    Task task;
    task.method = "float";
    const auto method = method_of(task);
    auto network = start_network(task, *method);
    const auto data = images_of(task);
    BatchLoader training(data, shared_loader(task, LoaderShare::Kind::kImages));
    BatchLoader validation(data, shared_loader(task, LoaderShare::Kind::kBatches));
    Disturber disturber(*network, ranks.rank() == 1);
    TrainerOptions options;
    options.epochs = 1;
    Trainer trainer(network, *method, training, validation, options, disturber);
    EXPECT_TRUE(trainer.run());
    EXPECT_EQ(disturber.apart, std::vector<int64_t>{0});
    EXPECT_TRUE(have_same_bits(ranks, *network));
  });
}

// One rank is asked; both stop after the same step. The state has the number of ranks.
TEST(Ranks, StopTogether) {
  on_ranks(2, [](Ranks& ranks) {
    class Stopper : public TrainerObserver {
     public:
      explicit Stopper(bool is_asked) : is_asked_(is_asked) {}
      void on_step(int64_t, double, double) override { ++steps; }
      bool should_stop() override { return is_asked_ && steps == 1; }
      int64_t steps = 0;

     private:
      bool is_asked_;
    };
    Task task;
    task.images = 4 * kBatch;
    const auto method = method_of(task);
    auto network = start_network(task, *method);
    const auto data = images_of(task);
    BatchLoader training(data, shared_loader(task, LoaderShare::Kind::kImages));
    BatchLoader validation(data, shared_loader(task, LoaderShare::Kind::kBatches));
    Stopper stopper(ranks.rank() == 1);
    TrainerOptions options;
    options.epochs = 1;
    Trainer trainer(network, *method, training, validation, options, stopper);
    EXPECT_FALSE(trainer.run());
    EXPECT_EQ(trainer.state().next_step, 2);
    EXPECT_EQ(trainer.state().ranks, 2);
  });
}

// The same images, weights and step: what differs is the noise, and not from one time to the next.
TEST(Ranks, RoundGradientsWithNoiseOfTheirOwn) {
  on_ranks(2, [](Ranks& ranks) {
    Task task;
    task.method = "int8";
    const auto method = method_of(task);
    auto network = start_network(task, *method);
    network->train();
    const auto images = torch::linspace(-1, 1, 2 * 3 * 16 * 16).view({2, 3, 16, 16});
    const auto gradient = [&] {
      network->zero_grad();
      network->forward(images).square().sum().backward();
      return network->parameters().front().grad().clone();
    };
    const auto own = gradient();
    EXPECT_TRUE(torch::equal(own, gradient()));
    const auto all = ranks.gather(own);
    EXPECT_FALSE(torch::equal(all[0], all[1]));
  });
}

TEST(Ranks, OperationsGiveWhatTheySay) {
  on_ranks(3, [](Ranks& ranks) {
    const auto own = torch::full({2}, static_cast<double>(ranks.rank() + 1), torch::kFloat64);
    EXPECT_EQ(ranks.gather(own).at(2)[1].item<double>(), 3);
    EXPECT_EQ(ordered_sum(ranks, own)[0].item<double>(), 6);
    EXPECT_EQ(largest(ranks, own)[0].item<double>(), 3);
    auto sum = own.clone();
    ranks.start_sum(sum)->wait();
    EXPECT_EQ(sum[1].item<double>(), 6);
    auto first = own.clone();
    ranks.broadcast(first);
    EXPECT_EQ(first[0].item<double>(), 1);
    EXPECT_EQ(text_of_rank(ranks, 1, "rank" + std::to_string(ranks.rank() * 500)), "rank500");
  });
}

// A bucket a tensor: as many sums under way as there are tensors.
TEST(GradientExchange, SumsWhatAutogradCollects) {
  on_ranks(2, [](Ranks& ranks) {
    const Task task;
    const auto method = method_of(task);
    auto network = start_network(task, *method);
    network->train();
    GradientExchange exchange(*network, ranks, /*bucket_bytes=*/1);
    const auto factor = static_cast<double>(ranks.rank() + 1);
    const auto gradients = [&] {
      std::vector<torch::Tensor> found;
      for (const auto& leaf : gradient_leaves(*network)) {
        found.push_back(leaf.grad().clone());
        leaf.mutable_grad() = torch::Tensor();
      }
      return found;
    };
    const auto images = torch::full({2, 3, 16, 16}, 0.5).add_(torch::arange(16) / 16.0);
    network->forward(images).square().sum().backward();
    const auto own = gradients();
    exchange.begin();
    network->forward(images).square().sum().mul(factor).backward();
    exchange.finish();
    const auto summed = gradients();
    ASSERT_EQ(own.size(), summed.size());
    EXPECT_GT(own.size(), 10U);
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_TRUE(torch::allclose(summed[i], own[i] * 3, 1e-4, 1e-5)) << i;
    }
  });
}

/// A norm's images and parameters, the gradient that arrives, and what comes of them.
struct NormCase {
  torch::Tensor x, weight, bias, gradient;
  torch::Tensor value, of_x, of_weight, of_bias;
};

using NormFunction = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& weight,
                                                 const torch::Tensor& bias)>;

NormCase norm_case(torch::ScalarType type) {
  torch::manual_seed(5);
  NormCase made;
  made.x = torch::randn({8, 6, 4, 4}, type).mul(3).add(1).contiguous(torch::MemoryFormat::ChannelsLast);
  made.weight = torch::rand({6}, type).add(0.5);
  made.bias = torch::randn({6}, type);
  made.gradient = torch::randn({8, 6, 4, 4}, type);
  return made;
}

// Of the images from `first` on.
void compute(NormCase& c, const NormFunction& norm, int64_t first, int64_t count) {
  const auto leaf = [](const torch::Tensor& t) { return t.detach().clone().set_requires_grad(true); };
  const auto x = leaf(c.x.narrow(0, first, count));
  const auto weight = leaf(c.weight), bias = leaf(c.bias);
  c.value = norm(x, weight, bias);
  c.value.backward(c.gradient.narrow(0, first, count));
  c.of_x = x.grad();
  c.of_weight = weight.grad();
  c.of_bias = bias.grad();
}

// On two ranks with 3 and 5 images, or 4 and 4, what one process has of 8; gradients of parameters are
// summed.
void expect_norm_of_whole_batch(torch::ScalarType type, const NormFunction& norm, int64_t split,
                                double tolerance) {
  auto whole = norm_case(type);
  compute(whole, norm, 0, 8);
  const auto close = [&](const torch::Tensor& a, const torch::Tensor& b) {
    return torch::allclose(a.to(b.scalar_type()), b, tolerance, tolerance);
  };
  std::vector<NormCase> parts = {norm_case(type), norm_case(type)};
  on_ranks(2, [&](Ranks& ranks) {
    const StatisticsScope scope(&ranks);
    const bool is_first = ranks.rank() == 0;
    compute(parts[static_cast<size_t>(ranks.rank())], norm, is_first ? 0 : split,
            is_first ? split : 8 - split);
  });
  EXPECT_TRUE(close(torch::cat({parts[0].value, parts[1].value}), whole.value));
  EXPECT_TRUE(close(torch::cat({parts[0].of_x, parts[1].of_x}), whole.of_x));
  EXPECT_TRUE(close(parts[0].of_weight + parts[1].of_weight, whole.of_weight));
  EXPECT_TRUE(close(parts[0].of_bias + parts[1].of_bias, whole.of_bias));
}

TEST(SharedStatistics, TheFusedNormIsThatOfTheWholeBatch) {
  ActivationCall call;
  call.function = ActivationCall::Function::kRelu6;
  for (const auto& [bits, tolerance] : std::map<int64_t, double>{{0, 1e-4}, {16, 2e-3}}) {
    call.bits = bits;
    const auto norm = [&, activation = call](const torch::Tensor& x, const torch::Tensor& weight,
                                             const torch::Tensor& bias) {
      const BatchNormTensors tensors{weight, bias, torch::zeros({6}), torch::ones({6}), 0.1, 1e-5, true};
      return norm_act_ste(x, /*residual=*/x.detach(), tensors, activation).value;
    };
    expect_norm_of_whole_batch(torch::kFloat32, norm, /*split=*/3, tolerance);
  }
}

TEST(SharedStatistics, TheRangeNormIsThatOfTheWholeBatchWhereChunksFit) {
  const auto norm = [](const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias) {
    return range_norm_ste(x, weight, bias, /*most_chunks=*/16, 1e-5, /*gradient=*/nullptr).value;
  };
  expect_norm_of_whole_batch(torch::kFloat64, norm, /*split=*/4, 1e-9);
  expect_norm_of_whole_batch(torch::kFloat32, norm, /*split=*/4, 1e-4);
}

TEST(LoaderShare, PartsMakeUpTheWhole) {
  const Task task;
  torch::manual_seed(3);
  const auto data = easy_images(21);
  LoaderOptions options = loader_options(kBatch, /*is_training=*/true);
  const BatchMaker whole(data, options);
  const auto order = whole.order(2);
  for (int64_t index = 0; index < whole.batches(); ++index) {
    std::vector<torch::Tensor> parts;
    for (int64_t rank = 0; rank < 3; ++rank) {
      options.share = {LoaderShare::Kind::kImages, rank, 3};
      const auto batch = BatchMaker(data, options).make(2, order, index);
      EXPECT_EQ(batch.of_images, index < 2 ? 8 : 5);
      parts.push_back(batch.images);
    }
    EXPECT_TRUE(torch::equal(torch::cat(parts), whole.make(2, order, index).images));
  }
  options.share = {LoaderShare::Kind::kImages, 0, 6};
  EXPECT_THROW(BatchMaker(data, options), std::invalid_argument);
}

TEST(LoaderShare, WholeBatchesGoRoundTheRanks) {
  torch::manual_seed(3);
  const auto data = easy_images(36);
  for (const int64_t workers : {0, 2}) {
    auto options = loader_options(kBatch);
    options.workers = workers;
    options.share = {LoaderShare::Kind::kBatches, 1, 2};
    BatchLoader loader(data, options);
    EXPECT_EQ(loader.batches(), 5);
    std::vector<int64_t> found;
    loader.start(0);
    while (const auto batch = loader.next()) {
      found.push_back(batch->index);
    }
    EXPECT_EQ(found, (std::vector<int64_t>{1, 3}));
  }
}

}  // namespace
}  // namespace bsq::test
