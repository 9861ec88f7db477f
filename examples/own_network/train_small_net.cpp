// Trains small_net with BSQ on the built-in synthetic images: full precision first, then bit planes with the
// penalty, then the frozen scheme. usage: train_small_net [FLOAT_EPOCHS BIT_EPOCHS FINETUNING_EPOCHS]
#include <torch/torch.h>

#include <cstdlib>
#include <iomanip>
#include <iostream>

#include "bsq/data/dataset.h"
#include "bsq/data/loader.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/nn/network_bits.h"
#include "bsq/nn/to_bits.h"
#include "bsq/train/trainer.h"
#include "models/registry.h"

namespace {

class Printer : public bsq::TrainerObserver {
 public:
  explicit Printer(const char* phase) : phase_(phase) {}
  void on_epoch_end(const bsq::EpochReport& report) override {
    std::cout << phase_ << " epoch " << report.epoch << ": loss " << report.train_loss << ", top-1 "
              << report.validation.top1() << " %, comp " << report.comp << std::endl;
  }

 private:
  const char* phase_;
};

struct Images {
  explicit Images(const bsq::DatasetSplits& splits)
      : training(splits.train, options(splits, /*is_training=*/true)),
        test(splits.test, options(splits, /*is_training=*/false)) {}
  static bsq::LoaderOptions options(const bsq::DatasetSplits& splits, bool is_training) {
    bsq::LoaderOptions result;
    result.shuffle = result.augment = is_training;
    result.normalization = splits.normalization;
    return result;
  }
  bsq::BatchLoader training, test;
};

void train(const std::shared_ptr<bsq::Network>& network, Images& images, const char* phase,
           const bsq::TrainerOptions& options) {
  Printer printer(phase);
  bsq::Trainer trainer(network, images.training, images.test, options, printer);
  trainer.run();
  trainer.finish();
}

bsq::TrainerOptions options_of(bsq::TrainingMethod method, int64_t epochs, double learning_rate) {
  bsq::TrainerOptions options;
  options.method = method;
  options.epochs = epochs;
  options.learning_rate = learning_rate;
  options.weight_decay = 1e-4;
  options.schedule = {epochs * 3 / 4};
  return options;
}

void train_bits(const std::shared_ptr<bsq::Network>& network, Images& images, int64_t epochs) {
  // Eight bits, six for the first convolution; the last layer stays float.
  bsq::to_bits(*network, bsq::ToBitsOptions(8).layer_bits({{"conv.0", 6}}).keep_float({"fc"}));
  auto options = options_of(bsq::TrainingMethod::kBits, epochs, 0.03);
  options.penalty = 0.8;
  options.adjustment_interval = 2;
  train(network, images, "bits", options);
}

void save(bsq::Network& network, const bsq::Evaluation& evaluation, const bsq::Sizes& sizes) {
  bsq::Checkpoint checkpoint;
  checkpoint.kind = bsq::CheckpointKind::kFrozen;
  checkpoint.description = network.description();
  checkpoint.dataset = "synthetic";
  checkpoint.top1 = evaluation.top1();
  checkpoint.comp = sizes.comp();
  checkpoint.comp_stored = sizes.comp_stored();
  checkpoint.network = bsq::save_network(network);
  bsq::write_checkpoint("small_net.h5", checkpoint);
}

int run(int64_t float_epochs, int64_t bit_epochs, int64_t finetuning_epochs) {
  torch::set_num_threads(1);
  torch::manual_seed(1234);
  bsq::DatasetOptions data;
  data.dataset = "synthetic";
  Images images(bsq::load_dataset(data));
  bsq::NetworkDescription description;
  description.architecture = "small_net";
  const auto network = bsq::make_network(description);

  train(network, images, "float", options_of(bsq::TrainingMethod::kFloat, float_epochs, 0.1));
  train_bits(network, images, bit_epochs);
  bsq::freeze_network(*network);
  train(network, images, "finetuning", options_of(bsq::TrainingMethod::kFinetune, finetuning_epochs, 0.01));

  const auto evaluation = bsq::evaluate(*network, images.test);
  const auto sizes = bsq::network_sizes(*network);
  for (const auto& [layer, bits] : bsq::scheme_of(*network)) {
    std::cout << layer << ": " << bits.weight << " bits\n";
  }
  std::cout << std::fixed << std::setprecision(2) << "final: top-1 " << evaluation.top1() << " %, comp "
            << sizes.comp() << ", comp_stored " << sizes.comp_stored() << ", in small_net.h5" << std::endl;
  save(*network, evaluation, sizes);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto epochs = [&](int index, int64_t fallback) {
      return argc > index ? std::strtoll(argv[index], nullptr, 10) : fallback;
    };
    return run(epochs(1, 5), epochs(2, 8), epochs(3, 3));
  } catch (const std::exception& error) {
    std::cerr << "train_small_net: " << error.what() << std::endl;
    return 1;
  }
}
