#pragma once

#include <memory>

#include "bsq/data/loader.h"
#include "bsq/methods/bsq/bsq_method.h"
#include "bsq/methods/bsq/network_planes.h"
#include "bsq/methods/methods.h"
#include "bsq/train/trainer.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {

/// Noise in three classes, each with one colour that is brighter: anything that looks at colours learns it.
inline ImageDataset easy_images(int64_t count) {
  ImageDataset data{torch::randint(0, 128, {count, 3, 8, 8}, torch::kUInt8),
                    torch::arange(count, torch::kInt64).remainder(3), /*classes=*/3};
  for (int64_t image = 0; image < count; ++image) {
    data.images[image][image % 3].add_(100);
  }
  return data;
}

inline LoaderOptions loader_options(int64_t batch_size, bool is_training = false) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.shuffle = is_training;
  options.augment = is_training;
  return options;
}

/// What a trainer says, recorded; asks it to stop after so many steps of this run.
class Recorder : public TrainerObserver {
 public:
  explicit Recorder(int64_t stop_after = -1) : stop_after_(stop_after) {}
  void on_epoch_start(int64_t epoch, int64_t epoch_steps, int64_t first_step) override {
    starts.push_back({epoch, epoch_steps, first_step});
  }
  void on_step(int64_t step, double /*mean_loss*/, double /*top1*/) override { steps.push_back(step); }
  void on_adjusted(int64_t epoch) override { adjusted.push_back(epoch); }
  void on_epoch_end(const EpochReport& report) override { reports.push_back(report); }
  bool should_stop() override { return static_cast<int64_t>(steps.size()) == stop_after_; }

  std::vector<std::vector<int64_t>> starts;
  std::vector<int64_t> steps, adjusted;
  std::vector<EpochReport> reports;

 private:
  int64_t stop_after_;
};

/// What a run of one of the project's methods takes.
struct RunOptions : TrainerOptions {
  RunOptions() { bsq.step_rule = "published"; }

  std::string method = "bsq";
  BsqOptions bsq;
};

inline std::unique_ptr<Method> method_for(const RunOptions& options) {
  if (options.method == "bsq") {
    return std::make_unique<BsqMethod>(options.bsq);
  }
  return make_method(options.method);
}

/// A network, in the method's form or stored by it, with its data and trainer.
struct TrainingRun {
  TrainingRun(std::shared_ptr<SmallNetwork> trained, std::unique_ptr<Method> trained_by,
              const ImageDataset& data, const TrainerOptions& options, int64_t stop_after = -1)
      : network(std::move(trained)),
        method(adopted(*network, std::move(trained_by))),
        training(data, loader_options(/*batch_size=*/32, /*is_training=*/true)),
        validation(data, loader_options(/*batch_size=*/40)),
        recorder(stop_after),
        trainer(network, *method, training, validation, options, recorder) {}
  TrainingRun(std::shared_ptr<SmallNetwork> trained, const ImageDataset& data, const RunOptions& options,
              int64_t stop_after = -1)
      : TrainingRun(std::move(trained), method_for(options), data, options, stop_after) {}

  std::shared_ptr<SmallNetwork> network;
  std::unique_ptr<Method> method;
  BatchLoader training, validation;
  Recorder recorder;
  Trainer trainer;

 private:
  static std::unique_ptr<Method> adopted(SmallNetwork& network, std::unique_ptr<Method> method) {
    method->adopt(network);
    return method;
  }
};

/// A small network in the form that a method trains; from 8 bits.
inline std::shared_ptr<SmallNetwork> network_for(const std::string& method, int64_t activation_bits = 4) {
  auto network = std::make_shared<SmallNetwork>(activation_bits);
  if (method == "bsq") {
    to_bits(*network, LayerRules(8));
  } else if (method == "frozen") {
    make_method(method)->begin(*network, {LayerRules(8), /*is_training=*/false});
  }
  return network;
}

/// One of the method's own figures in a report; a missing one is a test failure.
inline double metric_in(const EpochReport& report, const std::string& name) {
  for (const auto& [known, value] : report.metrics) {
    if (known == name) {
      return value;
    }
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

}  // namespace bsq::test
