#pragma once

#include <memory>

#include "bsq/data/loader.h"
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

/// A network with its data and trainer.
struct TrainingRun {
  TrainingRun(std::shared_ptr<SmallNetwork> trained, const ImageDataset& data, const TrainerOptions& options,
              int64_t stop_after = -1)
      : network(std::move(trained)),
        training(data, loader_options(/*batch_size=*/32, /*is_training=*/true)),
        validation(data, loader_options(/*batch_size=*/40)),
        recorder(stop_after),
        trainer(network, training, validation, options, recorder) {}

  std::shared_ptr<SmallNetwork> network;
  BatchLoader training, validation;
  Recorder recorder;
  Trainer trainer;
};

/// A small network in the representation that a method trains; from 8 bits.
inline std::shared_ptr<SmallNetwork> network_for(TrainingMethod method, int64_t activation_bits = 4) {
  auto network = std::make_shared<SmallNetwork>(activation_bits);
  if (method != TrainingMethod::kFloat) {
    convert_to_bits(*network, /*bits=*/8);
  }
  if (method == TrainingMethod::kFinetune) {
    freeze_network(*network);
  }
  return network;
}

}  // namespace bsq::test
