// Trains small_net with BSQ on the built-in synthetic images: full precision first, then bit planes with the
// penalty, then the frozen scheme. usage: train_small_net [FLOAT_EPOCHS BIT_EPOCHS FINETUNING_EPOCHS]
#include <torch/torch.h>

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <utility>

#include "bsq/data/dataset.h"
#include "bsq/data/loader.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/methods/bsq/bsq_method.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/nn/network_state.h"
#include "bsq/train/trainer.h"
#include "models/registry.h"

namespace {

class Printer : public bsq::TrainerObserver {
 public:
  explicit Printer(std::string phase) : phase_(std::move(phase)) {}
  void on_epoch_end(const bsq::EpochReport& report) override {
    std::cout << phase_ << " epoch " << report.epoch << ": loss " << report.train_loss << ", top-1 "
              << report.validation.top1() << " %, comp " << report.comp << std::endl;
  }

 private:
  std::string phase_;
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

bsq::TrainerOptions options_of(int64_t epochs, double learning_rate) {
  bsq::TrainerOptions options;
  options.epochs = epochs;
  options.learning_rate = learning_rate;
  options.weight_decay = 1e-4;
  options.schedule = {epochs * 3 / 4};
  return options;
}

// Eight bits, six for the first convolution; the last layer stays float. Methods that begin with bits keep
// them.
void train(const std::shared_ptr<bsq::Network>& network, bsq::Method& method, Images& images,
           const bsq::TrainerOptions& options) {
  const auto rules = bsq::LayerRules(8).layer_bits({{"conv.0", 6}}).keep_float({"fc"});
  method.begin(*network, {rules, /*is_training=*/true});
  Printer printer(method.name());
  bsq::Trainer trainer(network, method, images.training, images.test, options, printer);
  trainer.run();
  trainer.finish();
}

void save(bsq::Network& network, const bsq::Evaluation& evaluation, const bsq::Sizes& sizes) {
  bsq::Checkpoint checkpoint;
  checkpoint.method = "frozen";
  checkpoint.description = network.description();
  checkpoint.dataset = "synthetic";
  checkpoint.top1 = evaluation.top1();
  checkpoint.comp = sizes.comp();
  checkpoint.comp_stored = sizes.comp_stored();
  checkpoint.program = bsq::program_text(network);
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

  train(network, *bsq::make_method("float"), images, options_of(float_epochs, 0.1));
  bsq::BsqOptions bits;
  bits.alpha = 0.8;
  bits.adjust_every = 2;
  bsq::BsqMethod method(bits);
  train(network, method, images, options_of(bit_epochs, 0.03));
  train(network, *bsq::make_method("frozen"), images, options_of(finetuning_epochs, 0.01));

  const auto evaluation = bsq::evaluate(*network, images.test);
  const auto sizes = bsq::sizes_of(*network);
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
